-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- What a client waited for in vain, although the server's host is recorded, too, and has no line of that connection.
-- It may have been lost between the two. The host has no line, either, of a SYN that it dropped itself, if `drop` is not
-- among its --events, or more came than --limit lets through (ask losses). Nor of one that a full queue refused: ports of
-- that host with an `overflow` in this time are left out. `server` is the one host that has answered at that address, of
-- those recorded. Loopback and link-local addresses are left out; others that many hosts have (172.17.0.2) are not.
SELECT client, server, remote_addr, remote_port, count() AS connections, min(at) AS first, max(at) AS last
FROM
(
    SELECT conn, anyIf(host, role = 'active') AS client, anyIf(remote_addr, role = 'active') AS remote_addr,
           anyIf(remote_port, role = 'active') AS remote_port, anyIf(outcome, role = 'active') AS ended, max(ts) AS at, uniqExact(host) AS hosts
    FROM tcpshake.fleet
    WHERE type IN ('handshake', 'reset', 'drop', 'retransmit') AND conn != 0
      AND ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')
    GROUP BY conn
    HAVING ended = 'timeout' AND hosts = 1
)
ANY INNER JOIN
(
    SELECT local_addr AS remote_addr, any(host) AS server
    FROM tcpshake.fleet
    WHERE type = 'handshake' AND role = 'passive' AND NOT match(local_addr, '^(127[.]|::1$|fe[89ab][0-9a-f]:)')
      AND ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')
    GROUP BY remote_addr HAVING uniqExact(host) = 1
) USING remote_addr
WHERE server != client
  AND (server, remote_port) NOT IN
  (
    SELECT host, local_port FROM tcpshake.fleet
    WHERE type = 'overflow' AND ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')
  )
GROUP BY client, server, remote_addr, remote_port
ORDER BY connections DESC LIMIT 50
