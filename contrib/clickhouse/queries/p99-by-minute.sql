-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- The fleet's latency by minute, at one port, as clients saw it: from the roll-up. In ms.
SELECT minute, countMerge(handshakes) AS handshakes,
       round(quantilesTDigestIfMerge(0.5, 0.9, 0.99)(latency)[1] / 1e6, 3) AS p50_ms,
       round(quantilesTDigestIfMerge(0.5, 0.9, 0.99)(latency)[3] / 1e6, 3) AS p99_ms
FROM tcpshake.fleet_handshakes_by_minute
WHERE role = 'active' AND port = {port} AND outcome = 'established'
  AND minute >= toDateTime('{since}', 'UTC') AND minute < toDateTime('{until}', 'UTC')
GROUP BY minute ORDER BY minute
