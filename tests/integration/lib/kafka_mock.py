# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""librdkafka's mock cluster as a process: it speaks Kafka's protocol, and is no Kafka. It keeps messages in memory, 5 MB a partition.

Prints its brokers' addresses, all of loopback, and serves until standard input ends.
"""
import ctypes
import sys

PRODUCER = 0


def main(brokers=1):
    lib = ctypes.CDLL("librdkafka.so.1")
    lib.rd_kafka_conf_new.restype = lib.rd_kafka_new.restype = lib.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    lib.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    lib.rd_kafka_mock_cluster_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
    lib.rd_kafka_mock_cluster_bootstraps.argtypes = [ctypes.c_void_p]
    lib.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    error = ctypes.create_string_buffer(512)
    handle = lib.rd_kafka_new(PRODUCER, lib.rd_kafka_conf_new(), error, len(error))
    assert handle, error.value
    cluster = lib.rd_kafka_mock_cluster_new(handle, brokers)
    print(lib.rd_kafka_mock_cluster_bootstraps(cluster).decode(), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
