-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Who fails to reach whom, and why? `server` is the one host that has answered at that address; empty if none has, or several.
-- It is a host that has this address: where many have it (172.17.0.2), and one of them answered, the client may have meant
-- another. Of loopback and link-local addresses, which each host has, it is empty.
SELECT client, comm, remote_addr, remote_port, server, outcome, cause, proven, failed
FROM
(
    SELECT host AS client, comm, remote_addr, remote_port, outcome, cause, countIf(certainty = 'proven') AS proven, count() AS failed
    FROM tcpshake.fleet
    WHERE type = 'handshake' AND role = 'active' AND outcome != 'established'
      AND ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')
    GROUP BY client, comm, remote_addr, remote_port, outcome, cause
    ORDER BY failed DESC LIMIT 50
)
ANY LEFT JOIN
(
    SELECT local_addr AS remote_addr, if(uniqExact(host) = 1, any(host), '') AS server
    FROM tcpshake.fleet
    WHERE type = 'handshake' AND role = 'passive' AND NOT match(local_addr, '^(127[.]|::1$|fe[89ab][0-9a-f]:)')
      AND ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')
    GROUP BY remote_addr
) USING remote_addr
ORDER BY failed DESC
