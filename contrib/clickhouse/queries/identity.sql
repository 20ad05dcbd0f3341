-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Does it add up? Of each feed that ended, for each type: seen = delivered + filtered + limited + lost, by its daemon;
-- delivered = before + records + filtered + lost, by the feed; and as many lines are here as the feed has records.
SELECT host, feed, type, seen, delivered, filtered, limited, lost, seen = delivered + filtered + limited + lost AS daemon_holds,
       delivered = before + records + left_out + not_written AS feed_holds, records, lines, lines = records AS all_here
FROM
(
    SELECT host, feed, x.1 AS type,
           visitParamExtractUInt(x.2, 'seen') AS seen, visitParamExtractUInt(x.2, 'delivered') AS delivered,
           visitParamExtractUInt(x.2, 'filtered') AS filtered, visitParamExtractUInt(x.2, 'limited') AS limited,
           visitParamExtractUInt(x.2, 'lost') AS lost,
           visitParamExtractUInt(x.3, 'before') AS before, visitParamExtractUInt(x.3, 'records') AS records,
           visitParamExtractUInt(x.3, 'filtered') AS left_out, visitParamExtractUInt(x.3, 'lost') AS not_written
    FROM
    (
        SELECT DISTINCT host, feed, arrayJoin([
            ('handshake', visitParamExtractRaw(visitParamExtractRaw(raw, 'totals'), 'handshake'), visitParamExtractRaw(visitParamExtractRaw(visitParamExtractRaw(raw, 'feed'), 'types'), 'handshake')),
            ('listener', visitParamExtractRaw(visitParamExtractRaw(raw, 'totals'), 'listener'), visitParamExtractRaw(visitParamExtractRaw(visitParamExtractRaw(raw, 'feed'), 'types'), 'listener')),
            ('overflow', visitParamExtractRaw(visitParamExtractRaw(raw, 'totals'), 'overflow'), visitParamExtractRaw(visitParamExtractRaw(visitParamExtractRaw(raw, 'feed'), 'types'), 'overflow')),
            ('accept', visitParamExtractRaw(visitParamExtractRaw(raw, 'totals'), 'accept'), visitParamExtractRaw(visitParamExtractRaw(visitParamExtractRaw(raw, 'feed'), 'types'), 'accept')),
            ('reset', visitParamExtractRaw(visitParamExtractRaw(raw, 'totals'), 'reset'), visitParamExtractRaw(visitParamExtractRaw(visitParamExtractRaw(raw, 'feed'), 'types'), 'reset')),
            ('retransmit', visitParamExtractRaw(visitParamExtractRaw(raw, 'totals'), 'retransmit'), visitParamExtractRaw(visitParamExtractRaw(visitParamExtractRaw(raw, 'feed'), 'types'), 'retransmit')),
            ('drop', visitParamExtractRaw(visitParamExtractRaw(raw, 'totals'), 'drop'), visitParamExtractRaw(visitParamExtractRaw(visitParamExtractRaw(raw, 'feed'), 'types'), 'drop')),
            ('audit', visitParamExtractRaw(visitParamExtractRaw(raw, 'totals'), 'audit'), visitParamExtractRaw(visitParamExtractRaw(visitParamExtractRaw(raw, 'feed'), 'types'), 'audit')),
            ('close', visitParamExtractRaw(visitParamExtractRaw(raw, 'totals'), 'close'), visitParamExtractRaw(visitParamExtractRaw(visitParamExtractRaw(raw, 'feed'), 'types'), 'close'))]) AS x
        FROM tcpshake.fleet
        WHERE type = 'bye' AND ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')
    )
    WHERE x.2 != ''
)
ANY LEFT JOIN
(
    SELECT host, feed, type, uniqExact(seq) AS lines FROM tcpshake.fleet WHERE seq > 0 GROUP BY host, feed, type
) USING (host, feed, type)
ORDER BY daemon_holds AND feed_holds AND all_here, host, feed, type
