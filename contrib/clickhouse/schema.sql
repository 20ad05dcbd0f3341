-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Records of a fleet: run this on every shard. README.md beside it says how, and what was tested.
-- The cluster is called tcpshake (config.d/tcpshake.xml). Records need tcpshaked --with-host.

CREATE DATABASE IF NOT EXISTS tcpshake;

-- Each line is in `raw`, byte for byte. All other columns are computed from it when it comes.
-- A line that comes again (a sender that got no answer repeats its batch) has the same key, and one of the two goes away in a merge.
-- The query `doubled` names them until then.
CREATE TABLE IF NOT EXISTS tcpshake.records
(
    raw          String,
    type         String   MATERIALIZED visitParamExtractString(raw, 'type'),
    host         String   MATERIALIZED visitParamExtractString(raw, 'host'),
    -- of bye, `feed` is an object
    feed         String   MATERIALIZED if(type = 'bye', visitParamExtractString(visitParamExtractRaw(raw, 'feed'), 'id'),
                                          visitParamExtractString(raw, 'feed')),
    seq          UInt64   MATERIALIZED visitParamExtractUInt(raw, 'seq'),
    ts           DateTime('UTC') MATERIALIZED toDateTime(replaceOne(substring(visitParamExtractString(raw, 'ts'), 1, 19), 'T', ' '), 'UTC'),
    nanosecond   UInt32   MATERIALIZED toUInt32OrZero(substring(visitParamExtractString(raw, 'ts'), 21, 9)),
    conn         UInt64   MATERIALIZED reinterpretAsUInt64(reverse(unhex(visitParamExtractString(raw, 'conn')))),
    netns        UInt32   MATERIALIZED if(type = 'hello', 0, toUInt32(visitParamExtractUInt(raw, 'netns'))),
    -- the filters of hello have these names, too
    role         String   MATERIALIZED if(type = 'handshake', visitParamExtractString(raw, 'role'), ''),
    outcome      String   MATERIALIZED if(type = 'handshake', visitParamExtractString(raw, 'outcome'), ''),
    -- of a reset, `cause` is a string
    cause        String   MATERIALIZED if(type = 'reset', visitParamExtractString(raw, 'cause'),
                                          visitParamExtractString(visitParamExtractRaw(raw, 'cause'), 'code')),
    certainty    String   MATERIALIZED visitParamExtractString(visitParamExtractRaw(raw, 'cause'), 'certainty'),
    -- of an overflow, the listener
    local_addr   String   MATERIALIZED visitParamExtractString(if(type = 'overflow', visitParamExtractRaw(raw, 'listener'), visitParamExtractRaw(raw, 'local')), 'addr'),
    local_port   UInt16   MATERIALIZED toUInt16(visitParamExtractUInt(if(type = 'overflow', visitParamExtractRaw(raw, 'listener'), visitParamExtractRaw(raw, 'local')), 'port')),
    remote_addr  String   MATERIALIZED visitParamExtractString(visitParamExtractRaw(raw, 'remote'), 'addr'),
    remote_port  UInt16   MATERIALIZED toUInt16(visitParamExtractUInt(visitParamExtractRaw(raw, 'remote'), 'port')),
    comm         String   MATERIALIZED visitParamExtractString(raw, 'comm'),
    latency_ns   Nullable(UInt64) MATERIALIZED if(visitParamExtractRaw(raw, 'latency_ns') IN ('', 'null'), NULL,
                                                  visitParamExtractUInt(raw, 'latency_ns')),
    deferred     UInt8    MATERIALIZED visitParamHas(raw, 'deferred'),
    retransmits  UInt16   MATERIALIZED toUInt16(visitParamExtractUInt(raw, 'retransmits')),
    -- how many were lost, or refused
    count        UInt64   MATERIALIZED if(type IN ('loss', 'overflow'), visitParamExtractUInt(raw, 'count'), 0)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(ts)
ORDER BY (type, toStartOfHour(ts), host, feed, seq);

-- By minute: counts, and states from which the quantiles of any number of hosts and minutes are merged. A t-digest
-- keeps them (docs/fleet.md says how far off they were). A batch that came twice is twice in here.
CREATE MATERIALIZED VIEW IF NOT EXISTS tcpshake.handshakes_by_minute
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, host, role, port, peer, outcome, cause)
AS SELECT
    toStartOfMinute(ts)                                    AS minute,
    host,
    role,
    if(role = 'passive', local_port, remote_port)          AS port, -- the server's
    if(role = 'passive', '', remote_addr)                  AS peer, -- a server has too many clients for that
    outcome,
    cause,
    countState()                                           AS handshakes,
    sumState(toUInt64(retransmits))                        AS resent,
    -- those that are in no histogram of the metrics are not in here, either
    quantilesTDigestIfState(0.5, 0.9, 0.99)(assumeNotNull(latency_ns),
        toUInt8(outcome = 'established' AND isNotNull(latency_ns) AND NOT deferred)) AS latency
FROM tcpshake.records
WHERE type = 'handshake'
GROUP BY minute, host, role, port, peer, outcome, cause;

CREATE MATERIALIZED VIEW IF NOT EXISTS tcpshake.queues_by_minute
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, host, netns, port, stage, queue, action)
AS SELECT
    toStartOfMinute(ts)                                    AS minute,
    host,
    netns,
    local_port                                             AS port,
    visitParamExtractString(raw, 'stage')                  AS stage,
    visitParamExtractString(raw, 'queue')                  AS queue,
    visitParamExtractString(raw, 'action')                 AS action,
    anyState(comm)                                         AS server,
    sumState(count)                                        AS refused
FROM tcpshake.records
WHERE type = 'overflow'
GROUP BY minute, host, netns, port, stage, queue, action;

-- What only you know of a host, for two of the queries; a new row of a host replaces the old one.
CREATE TABLE IF NOT EXISTS tcpshake.hosts (host String, rack String, added DateTime DEFAULT now())
ENGINE = ReplacingMergeTree(added) ORDER BY host;

-- A line for each release that a host got.
CREATE TABLE IF NOT EXISTS tcpshake.releases (host String, release String, since DateTime)
ENGINE = ReplacingMergeTree ORDER BY (host, release, since);
