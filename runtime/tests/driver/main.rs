//! The driver against a small world in memory, under paused time. One file per behaviour.

mod common;

mod abandons_a_bad_candidate;
mod aborts_before_the_switch;
mod asks_before_it_serves_after_a_gap;
mod begins_anew_where_nothing_survives;
mod begins_the_journal_anew;
mod ends_what_is_only_named;
mod goes_on_after_every_crash;
mod is_seen_by_operators;
mod keeps_secrets;
mod keeps_to_the_contract;
mod locks_its_secrets;
mod mints_no_second_blindly;
mod names_work_that_outlives_its_credential;
mod outlives_a_broken_journal;
mod replaces_what_others_ended;
mod replaces_what_others_know;
mod rolls_back;
mod rotates_in_order;
mod says_what_happens;
mod says_when_it_is_dark;
mod shares_a_budget;
mod shuts_down;
mod spreads_its_start;
mod stops_and_keeps;
mod survives_what_hangs;
mod survives_what_is_dropped;
mod tries_a_candidate;
mod waits_for_work;
