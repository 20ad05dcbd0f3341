-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- The tables of the whole cluster, after schema.sql, on every shard: any of them takes lines and answers queries.

CREATE TABLE IF NOT EXISTS tcpshake.fleet AS tcpshake.records
ENGINE = Distributed(tcpshake, tcpshake, records);

-- Where lines go in. A host's lines are all on one shard, so that what comes twice is merged there, and gaps are found there.
-- It has no other columns, because 18.16 would send the computed ones, too, and then refuse them.
CREATE TABLE IF NOT EXISTS tcpshake.incoming (raw String)
ENGINE = Distributed(tcpshake, tcpshake, records, cityHash64(visitParamExtractString(raw, 'host')));

CREATE TABLE IF NOT EXISTS tcpshake.fleet_handshakes_by_minute AS tcpshake.handshakes_by_minute
ENGINE = Distributed(tcpshake, tcpshake, handshakes_by_minute);

CREATE TABLE IF NOT EXISTS tcpshake.fleet_queues_by_minute AS tcpshake.queues_by_minute
ENGINE = Distributed(tcpshake, tcpshake, queues_by_minute);

CREATE TABLE IF NOT EXISTS tcpshake.fleet_hosts AS tcpshake.hosts
ENGINE = Distributed(tcpshake, tcpshake, hosts, cityHash64(host));

CREATE TABLE IF NOT EXISTS tcpshake.fleet_releases AS tcpshake.releases
ENGINE = Distributed(tcpshake, tcpshake, releases, cityHash64(host));
