"""What is done to a collector to hurt it, and what holds each.

Shape: number → (the attack, what must happen, the tests that hold it, as `file::name`);
`test_attacks.py` checks that each is there. The numbers go on from those of the proxy's table, of
which some concern every listener; its cases of framing and syntax are tried here as well.
"""

from typing import Final, NamedTuple


class Attack(NamedTuple):
    """One line of the table."""

    what: str
    must: str
    held: tuple[str, ...]


_BAD: Final = "test_bad_input.py::"

_CONNECTED: Final = "test_connections.py::"
_ENDED: Final = "test_endings.py::"
_MALFORMED: Final = "test_malformed.py::"
_INTAKE: Final = "test_intake.py::"

ATTACKS: Final[dict[int, Attack]] = {
    1: Attack(
        "heads and bodies that two readers would read in two ways; heads without end",
        "400, 431, 501, 505; nothing that hides behind them is read",
        (
            _MALFORMED + "test_what_the_gateway_refuses_as_malformed_is_refused_here_too",
            _MALFORMED + "test_what_was_asked_before_something_malformed_is_answered",
            _MALFORMED + "test_trailers_do_not_change_what_a_body_is",
            _MALFORMED + "test_what_goes_on_without_end_is_cut_off",
        ),
    ),
    56: Attack(
        "slow heads, bodies and readers, connections that idle",
        "timed out; others are served",
        (
            _CONNECTED + "test_a_head_that_is_not_whole_in_time_is_answered_408",
            _CONNECTED + "test_a_head_that_comes_byte_by_byte_wins_no_time",
            _CONNECTED + "test_connections_that_idle_are_closed",
            _CONNECTED + "test_idle_connections_shut_out_nobody",
            _CONNECTED + "test_a_body_that_nobody_reads_may_come_but_not_for_long",
            _CONNECTED + "test_http2_frames_that_do_not_end_are_cut_off",
            _CONNECTED + "test_who_does_not_read_an_answer_does_not_keep_it_in_memory",
            _ENDED + "test_who_leaves_the_last_of_an_answer_unread_is_cut_off",
            _CONNECTED + "test_who_opens_no_window_for_an_answer_is_reset",
            _CONNECTED + "test_a_sender_that_reads_no_replies_of_scribe_is_not_read_either",
            _INTAKE + "test_a_body_that_stops_in_the_middle_gives_its_room_back",
        ),
    ),
    91: Attack(
        "floods of pings, settings, priorities, resets; a bad stream among good ones",
        "the connection ends, or the stream alone",
        (
            _MALFORMED + "test_http2_frames_that_bring_nothing_are_cut_off",
            _ENDED + "test_what_ends_a_connection_ends_what_was_asked_on_it",
            _MALFORMED + "test_other_calls_on_a_connection_go_on_where_one_is_bad",
            "test_grpc.py::test_a_sender_that_resets_its_calls_again_and_again_is_cut_off",
        ),
    ),
    107: Attack(
        "bombs, truncated and lying packing",
        "400 or 413, memory bounded",
        (
            _BAD + "test_a_bomb_is_too_large_and_never_unpacked_whole",
            _BAD + "test_what_is_packed_and_cut_is_refused",
            _BAD + "test_every_coding_is_unpacked",
            _BAD + "test_a_coding_that_nobody_speaks_is_refused",
            _INTAKE + "test_bodies_that_are_read_at_once_share_one_bound",
            _INTAKE + "test_a_body_in_tiny_pieces_takes_no_more_than_its_size",
            _ENDED + "test_a_call_that_finds_no_room_ends_its_connection",
            _INTAKE + "test_a_body_that_stops_in_the_middle_gives_its_room_back",
            "test_http.py::test_unpacking_stops_at_its_cap",
        ),
    ),
    108: Attack(
        "depth 100,000, NaN, duplicate keys, bad UTF-8, 10,000 tags, a tag of 1 MB",
        "400, or kept and counted",
        (
            _BAD + "test_text_without_end_or_sense_is_refused",
            _BAD + "test_nesting_without_end_is_refused",
            _BAD + "test_large_tags_are_kept_whole_or_cut_as_told",
            _BAD + "test_a_key_that_comes_twice_counts_once",
            _BAD + "test_bad_utf8_is_kept_with_marks",
            _BAD + "test_long_texts_are_not_remembered",
            "test_decoders.py::test_a_v1_span_of_many_services_is_read_in_a_moment",
        ),
    ),
    109: Attack(
        "ids of every wrong form, times of every wrong kind",
        "400, or as the real server",
        (
            _BAD + "test_a_bad_id_refuses_its_message_and_nothing_else",
            _BAD + "test_spans_from_the_future_are_kept_and_found",
            "test_side_by_side.py::test_the_same_bytes_mean_the_same",
        ),
    ),
    110: Attack(
        "OTLP: cut varints, wrong types, unknown fields, ids in base64",
        "as its specification says",
        (
            "test_otlp.py::test_bytes_that_are_no_request_are_a_400_with_a_reason",
            "test_otlp.py::test_json_that_is_no_request_is_a_400_with_a_reason",
            "test_otlp.py::test_spans_without_an_id_are_rejected_and_the_rest_is_kept",
            "test_otlp_mapping.py::test_unknown_fields_are_passed_over",
            _BAD + "test_a_message_that_is_cut_anywhere_is_refused_or_whole",
        ),
    ),
    111: Attack(
        "traces with duplicates, cycles, no root; of 100,000 spans; 10,000 deep",
        "an answer within a second",
        (
            "test_trees.py::test_any_trace_can_be_shown",
            "test_trees.py::test_counting_never_fails_and_errors_are_calls",
            "test_trees.py::test_a_span_of_many_parts_is_joined_in_a_moment",
            "test_trees.py::test_what_hangs_from_a_second_root_of_one_id_is_left_out_in_a_moment",
            "pages/test_large.py::test_ten_thousand_spans_deep_is_shown_within_a_second",
            _BAD + "test_a_trace_of_a_hundred_thousand_spans_is_read_at_once",
        ),
    ),
    112: Attack(
        "kill -9, a full disk, a torn or damaged file, an end within the tail's window",
        "the ledger balances, nothing acknowledged is lost but what was damaged",
        (
            "test_collector_process.py::test_what_was_acknowledged_survives_being_killed",
            "test_forwarding.py::test_killed_under_load_with_tail_and_export_the_ledger_balances",
            "test_stores.py::test_a_full_disk_refuses_and_harms_nothing",
            "test_damage.py::test_a_torn_log_loses_its_end_and_the_ledger_balances",
            "test_damage.py::test_a_flipped_bit_in_the_log_loses_one_message",
            "test_damage.py::test_a_block_that_is_spoilt_harms_no_other",
            "test_tail.py::test_a_collector_killed_within_the_window_judges_when_it_is_back",
        ),
    ),
    113: Attack(
        "a backend that is away for days",
        "the oldest spans are sent, too",
        (
            "test_forwarding.py::test_an_outage_loses_nothing_and_the_next_process_goes_on",
            "test_zipkin_peer.py::test_what_is_stored_is_sent_on_to_a_real_server_through_its_pause",
        ),
    ),
    114: Attack(
        "a late span; a trace that comes to two nodes",
        "the same verdict",
        (
            "test_tail.py::test_spans_that_come_later_follow_the_verdict",
            "test_waiting.py::test_a_late_part_follows_its_verdict_in_the_next_process",
            "test_tail.py::test_a_rate_keeps_about_its_share_and_always_the_same",
        ),
    ),
}
