-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Latency by pair of services, of connections of which both sides were recorded. In ms, as the client saw it.
SELECT client, server, port, count() AS connections, uniqExact(client_host) AS client_hosts, uniqExact(server_host) AS server_hosts,
       round(quantileTDigest(0.5)(latency) / 1e6, 3) AS p50_ms, round(quantileTDigest(0.99)(latency) / 1e6, 3) AS p99_ms
FROM
(
    SELECT conn, anyIf(comm, role = 'active') AS client, anyIf(comm, role = 'passive') AS server,
           anyIf(host, role = 'active') AS client_host, anyIf(host, role = 'passive') AS server_host,
           anyIf(local_port, role = 'passive') AS port, maxIf(assumeNotNull(latency_ns), role = 'active' AND isNotNull(latency_ns)) AS latency
    FROM tcpshake.fleet
    WHERE type = 'handshake' AND outcome = 'established' AND conn != 0
      AND ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')
    GROUP BY conn
    HAVING client_host != '' AND server_host != '' AND latency > 0
)
GROUP BY client, server, port
ORDER BY p99_ms DESC LIMIT 50
