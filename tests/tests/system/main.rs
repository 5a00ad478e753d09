//! Whole systems: agents, a real server, consumers; judged from outside.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

mod a_crate_outside_the_workspace_rotates_a_token;
mod a_lost_mint_dies_by_itself;
mod a_restarted_server_interrupts_and_loses_nothing;
mod a_rotation_in_the_order_of_the_specification;
mod a_sealed_server_interrupts_and_loses_nothing;
mod a_second_agent_on_the_same_identity_is_refused_and_named;
mod a_secret_id_is_rotated_with_the_tokens_it_was_used_for;
mod an_agent_is_hardened;
mod an_ordeal_ends_well;
mod leases_are_let_go_before_their_token;
mod survives_a_fault_at_every_call;
mod survives_a_server_in_trouble;
mod survives_sigkill_around_every_call;
mod survives_sigkill_at_every_record;
mod survives_sigkill_of_what_logs_in;
mod survives_the_loss_of_a_leader;
mod survives_what_others_do;
mod the_journal_and_logs_hold_no_secret;
mod the_memory_holds_no_secret_that_is_over;
mod what_is_said_is_documented;

mod agent;
mod all;
mod audit;
mod campaign;
mod consumer;
mod crash;
mod document;
mod http;
mod image;
#[path = "../../../runtime/tests/driver/leak.rs"]
mod leak;
mod outage;
mod proxy;
mod psql;
mod resident;
mod site;
