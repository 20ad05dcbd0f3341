-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Both sides of one connection, and all that was recorded of it: conn=0123456789abcdef.
SELECT ts, nanosecond, host, type, role, outcome, cause, raw
FROM tcpshake.fleet
WHERE conn = reinterpretAsUInt64(reverse(unhex('{conn}')))
  AND ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')
ORDER BY ts, nanosecond, role
