-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Which release made it worse? The hour before it came to each host, and the hour after, all its hosts together; as its
-- clients' and its own handshakes have it. Releases are those of the table `releases`.
SELECT release, uniqExact(host) AS hosts,
       sumIf(n, before) AS handshakes_before, sumIf(n, NOT before) AS handshakes_after,
       round(100 * sumIf(n, before AND outcome != 'established') / handshakes_before, 3) AS failed_percent_before,
       round(100 * sumIf(n, NOT before AND outcome != 'established') / handshakes_after, 3) AS failed_percent_after,
       round(quantilesTDigestIfMergeIf(0.5, 0.9, 0.99)(latency, before)[3] / 1e6, 3) AS p99_ms_before,
       round(quantilesTDigestIfMergeIf(0.5, 0.9, 0.99)(latency, NOT before)[3] / 1e6, 3) AS p99_ms_after
FROM
(
    SELECT host, release, outcome, minute < since AS before, n, latency
    FROM
    (
        SELECT host, minute, outcome, countMerge(handshakes) AS n, quantilesTDigestIfMergeState(0.5, 0.9, 0.99)(latency) AS latency
        FROM tcpshake.fleet_handshakes_by_minute
        WHERE minute >= toDateTime('{since}', 'UTC') - 3600 AND minute < toDateTime('{until}', 'UTC') + 3600
        GROUP BY host, minute, outcome
    )
    ALL INNER JOIN
    (
        SELECT DISTINCT host, release, since FROM tcpshake.fleet_releases
        WHERE since >= toDateTime('{since}', 'UTC') AND since < toDateTime('{until}', 'UTC')
    ) USING host
    WHERE minute >= since - 3600 AND minute < since + 3600
)
GROUP BY release ORDER BY failed_percent_after - failed_percent_before DESC
