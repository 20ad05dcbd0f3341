-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- The slowest handshakes of the fleet that succeeded.
SELECT ts, host, role, comm, remote_addr, if(role = 'passive', local_port, remote_port) AS port,
       round(latency_ns / 1e6, 3) AS ms, retransmits, cause, hex(conn) AS conn
FROM tcpshake.fleet
WHERE type = 'handshake' AND outcome = 'established' AND NOT deferred AND isNotNull(latency_ns)
  AND ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')
ORDER BY latency_ns DESC LIMIT 10
