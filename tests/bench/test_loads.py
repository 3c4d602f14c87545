# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmark reads out of its tools: recorded outputs, shortened, and what is wrong with some."""

import json
import sys
import types
import unittest
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "bench"))

from lib import compare, cpu, environ, iperf, loads, others, outside, paths  # noqa: E402
from lib import presets, sockperf, web  # noqa: E402
from lib.sandbox import Failed  # noqa: E402

# iperf3 3.12 -s -1 -J -i 0.25, for a client with -u -l 64 -b 0.
UDP = """{"start": {}, "intervals": [
{"streams": [], "sum": {"start": 0, "end": 0.250127, "seconds": 0.250126987695694, "bytes": 2671360,
 "bits_per_second": 85440120.62384865, "jitter_ms": 0.196800, "lost_packets": 58512,
 "packets": 100252, "lost_percent": 58.36492040059051, "omitted": false, "sender": false}},
{"streams": [], "sum": {"start": 0.250127, "end": 0.500972, "seconds": 0.2508449852466583,
 "bytes": 1748736, "bits_per_second": 55771049.14512684, "jitter_ms": 0.208353,
 "lost_packets": 54814, "packets": 82138, "lost_percent": 66.734, "omitted": false, "sender": false}},
{"streams": [], "sum": {"start": 0.500972, "end": 0.501136, "seconds": 0.00016399999731220305,
 "bytes": 1856, "bits_per_second": 90536586.8496583, "jitter_ms": 0.001451, "lost_packets": 0,
 "packets": 29, "lost_percent": 0, "omitted": false, "sender": false}}],
"end": {"sum": {"packets": 182419, "lost_packets": 113326, "sender": false}}}"""

# The same for a client with -P 8.
TCP = """{"start": {}, "intervals": [
{"streams": [{"socket": 5, "bytes": 96616448}, {"socket": 8, "bytes": 96616448}],
 "sum": {"start": 0, "end": 0.250158, "seconds": 0.25015801191329956, "bytes": 772931584,
 "bits_per_second": 24718187615.52629, "omitted": false, "sender": false}},
{"streams": [], "sum": {"start": 0.250158, "end": 0.502058, "seconds": 0.25189998745918274,
 "bytes": 489553920, "bits_per_second": 15547564727.983994, "omitted": false, "sender": false}},
{"streams": [], "sum": {"start": 0.502058, "end": 0.750033, "seconds": 0.24797500669956207,
 "bytes": 496631808, "bits_per_second": 16021995590.925077, "omitted": false, "sender": false}}],
"end": {}}"""

# sockperf 3.7 ping-pong --tcp --full-rtt -t 1, colours and all.
ROUND_TRIPS = """sockperf: \x1b[2;35m== version #3.7-no.git == \x1b[0m
sockperf: Test end (interrupted by timer)
sockperf: Test ended
sockperf: [Total Run] RunTime=1.001 sec; Warm up time=400 msec; SentMessages=21742; ReceivedMessages=21741
sockperf: ========= Printing statistics for Server No: 0
sockperf: [Valid Duration] RunTime=0.548 sec; SentMessages=10867; ReceivedMessages=10867
sockperf: \x1b[2;35m====> avg-rtt=50.361 (std-dev=111.095)\x1b[0m
sockperf: ---> <MAX> observation = 4735.357
sockperf: ---> percentile 99.999 = 4735.357
sockperf: ---> percentile 99.990 = 3613.717
sockperf: ---> percentile 99.900 = 1356.940
sockperf: ---> percentile 99.000 =  288.484
sockperf: ---> percentile 90.000 =   72.372
sockperf: ---> percentile 75.000 =   61.684
sockperf: ---> percentile 50.000 =   22.946
sockperf: ---> percentile 25.000 =   17.106
sockperf: ---> <MIN> observation =   14.823
"""
NO_ROUND_TRIPS = """sockperf: Test ended
sockperf: No valid observations found. Try tune parameters: --time/--mps/--reply-every
"""

# wrk 4.1.0.
REQUESTS = """Running 1s test @ http://10.77.0.3:8000/
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    87.97us   50.53us   1.99ms   95.12%
    Req/Sec   167.27k     6.36k  174.28k    81.82%
  181871 requests in 1.10s, 114.12MB read
Requests/sec: 165337.42
Transfer/sec:    103.74MB
"""

STAT = """cpu  7258644 169022 1095611 3359256 7388 0 116788 1984 0 0
cpu0 3582894 88211 498221 1812643 1713 0 18324 1000 0 0
cpu1 3675749 80811 597389 1546613 5674 7 98464 984 40 0
intr 115186312 0 0
"""

SNMP = """Ip: Forwarding DefaultTTL InReceives
Ip: 2 64 1049
Tcp: RtoAlgorithm MaxConn ActiveOpens RetransSegs InErrs
Tcp: 1 -1 12 457 0
TcpExt: SyncookiesSent TCPOFOQueue TCPOFODrop
TcpExt: 0 54 1
"""

FEATURES = """Features for eth0:
rx-checksumming: on
tx-checksumming: off
	tx-checksum-ip-generic: off
tcp-segmentation-offload: off
	tx-tcp-segmentation: off [requested on]
generic-segmentation-offload: on
generic-receive-offload: on [fixed]
"""


class Iperf(unittest.TestCase):
    def test_reads_what_was_received_after_the_warm_up(self):
        parts = iperf.intervals(TCP)
        self.assertEqual(iperf.received(parts), 772931584 + 489553920 + 496631808)
        self.assertAlmostEqual(iperf.rate(parts) * 8 / 1e9, 15.783, 3)

    def test_reads_what_was_lost_after_the_warm_up(self):
        parts = iperf.intervals(UDP)
        self.assertEqual(iperf.received(parts) // 64, 41740 + 27324 + 29)
        self.assertAlmostEqual(iperf.rate(parts) / 64, (27324 + 29) / 0.251009, 0)
        self.assertAlmostEqual(iperf.loss(parts), 100 * 54814 / (82138 + 29), 6)

    def test_refuses_a_report_without_losses(self):
        with self.assertRaisesRegex(Failed, "does not say what was lost"):
            iperf.loss(iperf.intervals(TCP))

    def test_refuses_what_is_no_report(self):
        for text, why in (("", "not understood"), ("[]", "not understood"),
                          ("{}", "not understood"), ('{"intervals": [{}]}', "not understood"),
                          ('{"error": "unable to connect"}', "iperf3: unable to connect"),
                          (json.dumps({"intervals": json.loads(TCP)["intervals"][:1]}),
                           "nothing was received")):
            with self.subTest(text), self.assertRaisesRegex(Failed, why):
                iperf.intervals(text)

    def test_reads_counters_by_group_and_name(self):
        found = iperf.counters(SNMP)
        self.assertEqual((found["TcpRetransSegs"], found["TcpExtTCPOFOQueue"],
                          found["TcpMaxConn"]), (457, 54, -1))


class Sockperf(unittest.TestCase):
    def test_reads_each_percentile(self):
        values, messages = sockperf.percentiles(ROUND_TRIPS)
        self.assertEqual(values, {"tcp_rr_p50": 22.946, "tcp_rr_p90": 72.372,
                                  "tcp_rr_p99": 288.484, "tcp_rr_p999": 1356.94})
        self.assertEqual(messages, 21741)

    def test_passes_on_what_it_says_without_any(self):
        with self.assertRaisesRegex(Failed, "No valid observations found"):
            sockperf.percentiles(NO_ROUND_TRIPS)


class Web(unittest.TestCase):
    def test_reads_requests_and_their_rate(self):
        self.assertEqual(web.answered(REQUESTS), (181871, 165337.42))

    def test_refuses_requests_without_the_page(self):
        with self.assertRaisesRegex(Failed, "Non-2xx or 3xx responses: 3"):
            web.answered(REQUESTS + "  Non-2xx or 3xx responses: 3\n")


class Cpu(unittest.TestCase):
    def test_counts_neither_idle_nor_stolen_time_and_no_guest_twice(self):
        self.assertEqual(cpu.ticks(STAT, [1]), 3675749 + 80811 + 597389 + 7 + 98464)

    def test_adds_up_the_cpus_in_use(self):
        self.assertEqual(cpu.ticks(STAT, [0, 1]), cpu.ticks(STAT, [0]) + cpu.ticks(STAT, [1]))

    def test_counts_a_cpu_once_that_has_client_and_server(self):
        with mock.patch.object(Path, "read_text", lambda _: STAT):
            self.assertEqual(cpu.busy((1, 1)), cpu.ticks(STAT, [1]) / cpu.TICKS)

    def test_refuses_a_cpu_that_is_not_there(self):
        with self.assertRaisesRegex(Failed, "not understood"):
            cpu.ticks(STAT, [2])


class Flowtable(unittest.TestCase):
    def test_is_proven_by_what_was_not_forwarded(self):
        self.assertIsNone(others.proof((100, 10), (100100, 30), 50000))
        self.assertAlmostEqual(others.flowtable_share((100, 10), (100100, 30)), 0.9998)

    def test_is_doubted_where_packets_were_forwarded(self):
        self.assertEqual(others.proof((0, 0), (1000, 101), 500),
                         "101 of 1000 packets did not take the flowtable")
        self.assertIsNone(others.proof((0, 0), (1000, 101), 500, 0.8))
        self.assertIsNone(others.proof((0, 0), (1000, 101), 500, slow=1))

    def test_is_doubted_where_packets_went_elsewhere(self):
        self.assertRegex(others.proof((5, 5), (5, 5), 1000), "1000 packets or more were delivered")

    def test_is_asked_by_the_comparison(self):
        path = types.SimpleNamespace(inside=None, flowtable=object())
        self.assertIsNone(compare.doubt(path, "http_close", (0, 0), (1000, 1000), 500))
        self.assertIsNotNone(compare.doubt(path, "udp_64", (0, 0), (1000, 199), 500))
        self.assertIsNone(compare.doubt(path, "flows_10000", (0, 0), (1000, 199), 500))


class Shortcut(unittest.TestCase):
    def doubt(self, load, short, least=1000, sent=1000):
        path = types.SimpleNamespace(inside=None, flowtable=None)
        return compare.doubt(path, load, (0, 0, 0, 0), (sent, short, short, sent), least)

    def test_of_one_flow_is_nearly_everything(self):
        for load in ("tcp_stream", "tcp_rr", "udp_64", "udp_1400", "flows_1"):
            with self.subTest(load):
                self.assertIsNone(self.doubt(load, 991, 900))
                self.assertRegex(self.doubt(load, 989, 900), "only 989 of 1000")
                self.assertRegex(self.doubt(load, 999, 1020), "1010 packets or more were delivered")

    def test_of_a_stream_leaves_out_its_begin_and_end(self):
        for load, slow in (("tcp_stream_8", 160), ("tcp_stream_64", 1280)):
            with self.subTest(load):
                self.assertIsNone(self.doubt(load, 9900 - slow, 5000, 10000))
                self.assertRegex(self.doubt(load, 9899 - slow, 5000, 10000), "of 10000 packets")
                self.assertIsNotNone(self.doubt(load, 9899 - slow, 9900, 10000))

    def test_of_many_flows_is_most(self):
        for load, part in (("http_keepalive", 950), ("flows_10000", 800)):
            with self.subTest(load):
                self.assertIsNone(self.doubt(load, part))
                self.assertIsNotNone(self.doubt(load, part - 11, 0))

    def test_of_a_connection_for_each_request_is_not_claimed(self):
        self.assertIsNone(self.doubt("http_close", 0))


class Environment(unittest.TestCase):
    def test_reads_offloads(self):
        self.assertEqual(environ.features(FEATURES),
                         {"tso": "off", "gso": "on", "gro": "on", "tx_checksum": "off"})

    def test_says_of_a_missing_tool_how_to_install_it(self):
        with mock.patch("shutil.which", lambda tool: None if tool == "wrk" else f"/bin/{tool}"):
            self.assertIsNone(loads.missing("tcp_stream_64"))
            self.assertEqual(loads.missing("http_close"),
                             "not installed: wrk: run `make deps DEPS=bench`")


class Choices(unittest.TestCase):
    def test_know_each_load_and_case(self):
        self.assertEqual(set(loads.LOAD_OF.values()), set(loads.LOADS))
        self.assertLessEqual(loads.LOWER_IS_BETTER, set(loads.CASES))
        self.assertEqual({*paths.CASES, *outside.CASES}, set(loads.CASES))
        self.assertLessEqual(set(compare.MANY_FLOWS), set(loads.LOADS))

    def test_of_presets_exist(self):
        for name, preset in presets.PRESETS.items():
            with self.subTest(name):
                self.assertLessEqual(set(preset["paths"]), set(compare.BUILDERS))
                self.assertLessEqual({*preset["cases"], *preset.get("two", ())}, set(loads.CASES))
                self.assertIn(name, presets.HELP)

    def test_of_two_cpus_hold_for_both(self):
        self.assertEqual(presets.on_two(["udp_64", "udp_64_loss"], [1, 2]), ["udp_64"])
        self.assertEqual(presets.on_two(["udp_64"], [2]), list(loads.LOADS))
        self.assertEqual(presets.on_two(None, [1, 2]), list(loads.LOADS))

    def test_are_estimated_by_loads_and_rounds(self):
        options = types.SimpleNamespace(cpus=[1, 2], cases=["udp_64", "udp_1400"], two=["udp_64"],
                                        paths=["cable", "own"], seconds=1, rounds=7)
        self.assertAlmostEqual(presets.estimate(options), 2 * (1 + 3 * 8 * 1.1))


if __name__ == "__main__":
    unittest.main()
