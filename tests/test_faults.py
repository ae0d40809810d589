"""The table «What can go wrong» of docs/service.md: each line is proven by the tests named here."""

import ast
import re
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent

# How a line begins, and what proves it: a file, and tests in it.
PROVEN = {
    "the amplifier stops or the sender crashes": {
        "live/test_service.py": ["a_source_that_comes_back_is_taken_up_again"],
        "live/test_overload.py": ["the_quality_stream_goes_on_in_silence_and_says_so"],
    },
    "the same stream comes back": {
        "live/test_service.py": ["a_source_that_comes_back_is_taken_up_again"],
        "live/test_identity.py": [
            "the_right_one_goes_on_with_filters_begun_anew",
            "a_sender_started_again_while_the_program_was_busy_is_the_same",
        ],
    },
    "it comes back with another type, format": {
        "live/test_identity.py": ["what_comes_back_changed_is_refused_by_what_differs"],
    },
    "it comes back under another source id": {
        "live/test_identity.py": [
            "a_new_id_is_taken_where_all_else_is_equal_and_it_is_alone",
            "a_new_id_is_not_taken_where_an_id_was_asked_for",
            "provenance_is_that_of_the_stream_in_force",
        ],
    },
    "another takes its place": {
        "live/test_identity.py": [
            "another_computer_s_stream_is_not_the_lost_one",
            "a_twin_that_was_there_before_does_not_take_the_place",
        ],
    },
    "two come that could be it": {
        "live/test_identity.py": [
            "two_that_could_be_it_are_both_refused_until_one_is_left",
            "the_same_outlet_is_taken_whoever_else_is_there",
        ],
    },
    "it never comes back": {
        "live/test_identity.py": ["what_is_so_is_said_again_and_how_to_choose_what_is_there"],
    },
    "a candidate hangs": {
        "live/test_identity.py": [
            "a_candidate_that_hangs_delays_nobody",
            "descriptions_that_cannot_be_read_do_not_end_the_search",
        ],
    },
    "samples are missing": {
        "live/test_gap_properties.py": [
            "lost_samples_are_counted_to_the_last_one_whatever_the_chunks",
            "jitter_neither_hides_a_loss_nor_looks_like_one",
            "no_loss_is_claimed_below_the_spread_of_the_stamps",
        ],
        "live/test_embedding.py": ["loss_return_and_gaps_travel_with_the_frames"],
    },
    "the stream freezes": {
        "live/test_timeliness.py": [
            "a_sender_that_freezes_is_told_of_and_what_was_of_the_past_is_marked",
            "a_stream_that_never_sends_is_told_as_stalled",
        ],
    },
    "it freezes, and its sender was started again": {
        "live/test_timeliness.py": ["the_successor_of_a_sender_that_hangs_is_taken_up"],
        "live/test_identity.py": ["the_successor_of_a_stream_that_hangs_is_found_beside_it"],
        "live/test_cable.py": ["a_host_that_vanishes_is_told_as_silent_and_its_successor_taken_up"],
    },
    "samples come long after their stamps": {
        "live/test_timeliness.py": [
            "a_sender_that_freezes_is_told_of_and_what_was_of_the_past_is_marked",
            "where_the_newest_alone_counts_the_past_is_dropped_and_counted",
        ],
        "live/test_feedback.py": ["what_comes_late_is_not_fed_back"],
    },
    "the sender delivers in blocks": {
        "live/test_timeliness.py": [
            "a_sender_that_delivers_half_a_second_at_a_time_is_told_as_that"
        ],
        "live/test_delivery.py": ["blocks_are_told_and_are_no_wait"],
    },
    "the rate is not the stated one": {
        "live/test_timeliness.py": [
            "a_rate_stated_wrongly_is_said_once_and_nothing_called_missing"
        ],
        "live/test_gap_properties.py": [
            "a_rate_stated_wrongly_is_no_loss_and_is_measured",
            "losses_are_counted_at_the_rate_that_the_stamps_show",
        ],
    },
    "time stamps are no numbers": {
        "live/test_timeliness.py": ["stamps_that_cannot_be_are_replaced_and_said"],
        "live/test_stamps.py": [
            "whatever_a_sender_stamps_is_published_finite_and_in_order",
            "a_glitch_is_mended_to_the_sample_and_over_with_it",
            "stamps_that_are_none_follow_the_arrival",
        ],
    },
    "the sender's clock is set": {
        "live/test_stamps.py": [
            "a_clock_that_is_set_goes_on_from_where_it_was_and_has_no_age",
            "a_clock_that_is_set_right_again_has_ages_again",
        ],
    },
    "more samples than the computer can image": {
        "live/test_overload.py": [
            "all_images_every_sample_and_says_how_far_it_is_behind",
            "latest_drops_to_stay_fresh_and_counts_what_it_drops",
            "what_a_full_buffer_loses_is_said_and_counted",
        ],
        "live/test_backlog_properties.py": ["whatever_comes_is_imaged_or_counted_as_dropped"],
    },
    "a client freezes": {
        "live/test_overload.py": ["a_stalled_client_costs_the_others_nothing"],
    },
    "time stamps are not LSL's clock": {
        "live/test_timeliness.py": ["a_clock_of_the_senders_own_is_said_and_no_age_is_given"],
        "live/test_stamps.py": ["a_senders_own_clock_is_left_to_it"],
    },
    "an electrode is loose": {
        "live/test_electrodes.py": ["a_fault_is_found_in_each_electrode_and_gone_when_it_is_over"],
        "live/test_chair.py": ["a_dead_electrode_is_left_out_said_and_given_back"],
    },
    "too many electrodes fail": {
        "live/test_chair.py": ["half_a_cap_gives_no_estimates_and_says_why"],
        "live/test_preparation.py": ["a_cap_that_comes_off_is_not_valid_until_it_is_back"],
    },
    "electrode offsets, drift, mains": {
        "live/test_preparation.py": ["what_amplifiers_add_costs_less_than_a_millimetre"],
    },
    "blinks, muscle": {
        "live/test_preparation.py": [
            "blinks_are_flagged_where_there_are_some",
            "a_muscle_is_flagged",
        ],
    },
    "unit wrong": {
        "live/test_watch.py": ["a_wrong_unit_is_told_within_seconds_and_once"],
    },
    "no signal": {
        "live/test_preparation.py": ["no_signal_is_not_valid"],
    },
    "another service already publishes": {
        "live/test_service.py": ["a_second_service_of_one_name_is_refused"],
        "live/test_restart.py": ["a_second_service_is_refused_while_the_first_goes_on"],
    },
    "two EEG streams fit": {
        "live/test_identity.py": [
            "two_twins_at_the_start_are_refused_and_can_be_chosen_by_their_ids",
            "several_that_fit_are_told_apart_by_what_differs_and_how_to_choose",
            "every_way_to_choose_that_is_told_chooses_that_stream",
        ],
    },
    "EEG and another stream": {
        "live/test_identity.py": [
            "eeg_and_accelerometer_of_one_name_and_id",
            "what_cannot_be_the_input_makes_no_choice_ambiguous",
        ],
    },
    "no stream, at the start": {
        "live/test_service.py": ["no_stream_is_one_clear_line"],
        "live/test_identity.py": ["a_source_that_comes_later_is_waited_for"],
    },
    "the stream is text": {
        "live/test_identity.py": ["what_cannot_be_eeg_is_refused_before_an_inlet_is_built"],
    },
    "a name, label, unit or id": {
        "test_text.py": [
            "any_text_becomes_one_short_line_that_can_be_seen",
            "any_bytes_are_text",
            "no_name_forges_a_log_line",
            "the_status_steers_no_terminal",
        ],
        "live/test_foreign_text.py": ["no_word_of_a_sender_steers_forges_or_ends_anything"],
        "test_description.py": ["labels_that_are_shown_alike_are_told_apart"],
        "live/test_identity.py": ["descriptions_that_cannot_be_read_do_not_end_the_search"],
    },
    "a description is nested": {
        "test_description.py": [
            "twenty_thousand_levels_cost_nothing",
            "more_than_any_description_needs_is_refused",
            "what_nobody_asks_for_is_not_read",
        ],
    },
    "standard error is full": {
        "live/test_restart.py": [
            "a_service_outlives_what_it_writes_to_and_ends_in_order_with_its_terminal"
        ],
        "test_console.py": [
            "nothing_is_raised_by_a_stream_that_cannot_be_written",
            "nobody_waits_for_a_reader_who_does_not_read",
            "a_storm_of_log_lines_is_a_few_and_a_number",
        ],
    },
    "the disk of": {
        "live/test_session.py": ["a_full_disk_costs_rows_and_nothing_else"],
        "live/test_restart.py": [
            "a_health_file_that_cannot_be_written_is_said_once_and_written_again"
        ],
    },
    "Ctrl-C": {
        "live/test_restart.py": [
            "a_service_outlives_what_it_writes_to_and_ends_in_order_with_its_terminal",
            "every_signal_that_ends_a_program_is_taken",
            "a_program_started_to_outlive_its_terminal_does",
            "the_last_event_reaches_who_listens",
        ],
    },
    "the service is killed": {
        "live/test_restart.py": [
            "a_client_that_recovers_goes_on_after_a_restart",
            "systemd_is_told_by_the_loop",
        ],
    },
    "a thread of it fails": {
        "live/test_restart.py": [
            "what_fails_in_the_loop_takes_the_streams_with_it",
            "a_thread_that_fails_is_heard_of",
        ],
    },
    "the computer's clock": {
        "live/test_restart.py": ["no_clock_that_can_be_set_is_used_for_what_is_measured"],
    },
    "LSL's configuration": {
        "test_lsl_config.py": [
            "a_broken_configuration_is_refused_by_name",
            "a_configuration_that_lsl_does_not_use_is_not_believed",
        ],
    },
    "the model's files": {
        "test_bundle.py": [
            "a_damaged_file_is_refused",
            "what_is_no_regular_file_is_refused_without_waiting_for_it",
            "a_hostile_card_is_refused_for_what_is_wrong_with_it",
            "a_head_that_would_unpack_to_gigabytes_is_refused_before_it_does",
        ],
        "live/test_known_answer.py": ["weights_in_another_file_are_refused"],
    },
    "the model finds nothing": {
        "live/test_known_answer.py": [
            "a_model_of_wrong_answers_is_refused_for_the_one_that_is_wrong",
            "weights_that_are_not_numbers_are_refused",
            "a_model_whose_maps_depend_on_the_other_samples_is_refused",
            "an_endless_loop_ends_when_its_time_is_over",
            "ctrl_c_is_heard_while_a_model_loops",
        ],
    },
    "the network fails while it runs": {
        "live/test_network.py": [
            "a_run_that_fails_is_done_again_on_another_session",
            "a_gpu_that_is_lost_is_left_for_the_cpu",
        ],
        "live/test_embedding.py": [
            "a_network_that_fails_is_said_and_costs_no_sample",
            "a_network_that_fails_again_and_again_ends_the_service",
        ],
    },
    "the head's electrodes": {
        "live/test_known_answer.py": ["a_head_whose_parts_are_of_different_ones_is_refused"],
    },
    "a setting of the wrong type": {
        "live/test_setting_types.py": [
            "a_setting_of_another_type_is_refused_by_its_name",
            "a_settings_file_is_refused_for_what_is_wrong_in_it",
        ],
    },
}


def lines():
    """Return what happens, of each line of the table."""
    page = (REPOSITORY / "docs" / "service.md").read_text(encoding="utf-8")
    table = page.partition("## What can go wrong")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    return [row.split("|")[1].strip() for row in rows]


@cache
def functions_of(name):
    tree = ast.parse((REPOSITORY / "tests" / name).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_line_of_the_table_is_proven_and_nothing_else_is():
    found = lines()
    assert len(found) > 40
    beginnings = {
        line: [start for start in PROVEN if re.match(re.escape(start) + r"\b", line)]
        for line in found
    }
    assert {line: len(starts) for line, starts in beginnings.items()} == dict.fromkeys(found, 1)
    assert {starts[0] for starts in beginnings.values()} == set(PROVEN)


def test_the_tests_that_prove_it_are_there():
    named = [(file, test) for proof in PROVEN.values() for file, ts in proof.items() for test in ts]
    missing = [(file, test) for file, test in named if f"test_{test}" not in functions_of(file)]
    assert not missing
