-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Which rack retransmits? SYNs and SYN-ACKs sent again, for each 1,000 handshakes. Racks are those of the table `hosts`.
SELECT rack, sum(ended) AS handshakes, sum(again) AS retransmits, round(1000 * sum(again) / sum(ended), 2) AS per_1000
FROM
(
    SELECT host, countMerge(handshakes) AS ended, sumMerge(resent) AS again
    FROM tcpshake.fleet_handshakes_by_minute
    WHERE minute >= toDateTime('{since}', 'UTC') AND minute < toDateTime('{until}', 'UTC')
    GROUP BY host
)
ANY LEFT JOIN (SELECT host, argMax(rack, added) AS rack FROM tcpshake.fleet_hosts GROUP BY host) USING host
GROUP BY rack ORDER BY per_1000 DESC
