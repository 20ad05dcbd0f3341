-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Where are accept queues and SYN queues full? The worst first; `lines` of `explain` say what to do about one.
SELECT host, netns, port, anyMerge(server) AS server, stage, queue, action, sumMerge(refused) AS refused,
       min(minute) AS first, max(minute) AS last
FROM tcpshake.fleet_queues_by_minute
WHERE minute >= toDateTime('{since}', 'UTC') AND minute < toDateTime('{until}', 'UTC') AND queue != 'none'
GROUP BY host, netns, port, stage, queue, action
ORDER BY refused DESC LIMIT 50
