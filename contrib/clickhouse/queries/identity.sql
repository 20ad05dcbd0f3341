-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Does it add up? Of each feed that ended, for each type: seen = delivered + filtered + limited + lost, by its daemon;
-- delivered = before + records + filtered + lost, by the feed; and as many lines are here as the feed has records.
SELECT host, feed, type, seen, delivered, filtered, limited, lost, seen = delivered + filtered + limited + lost AS daemon_holds,
       delivered = before + records + left_out + not_written AS feed_holds, records, lines, lines = records AS all_here
FROM
(
    SELECT host, feed, extract(x, '"(\\w+)"') AS type, arrayFirst(y -> startsWith(y, concat('"', type, '"')), types) AS z,
           visitParamExtractUInt(x, 'seen') AS seen, visitParamExtractUInt(x, 'delivered') AS delivered,
           visitParamExtractUInt(x, 'filtered') AS filtered, visitParamExtractUInt(x, 'limited') AS limited,
           visitParamExtractUInt(x, 'lost') AS lost,
           visitParamExtractUInt(z, 'before') AS before, visitParamExtractUInt(z, 'records') AS records,
           visitParamExtractUInt(z, 'filtered') AS left_out, visitParamExtractUInt(z, 'lost') AS not_written
    FROM
    (
        SELECT DISTINCT host, feed, arrayJoin(extractAll(visitParamExtractRaw(raw, 'totals'), '"\\w+":{[^}]*}')) AS x,
               extractAll(visitParamExtractRaw(visitParamExtractRaw(raw, 'feed'), 'types'), '"\\w+":{[^}]*}') AS types
        FROM tcpshake.fleet
        WHERE type = 'bye' AND ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')
    )
)
ANY LEFT JOIN
(
    SELECT host, feed, type, uniqExact(seq) AS lines FROM tcpshake.fleet WHERE seq > 0 GROUP BY host, feed, type
) USING (host, feed, type)
ORDER BY daemon_holds AND feed_holds AND all_here, host, feed, type
