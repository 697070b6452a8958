//! The program through its real router, as clients see it: one binary, a file a subject.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![recursion_limit = "256"]

mod access_log;
mod account_pages;
mod accounts;
mod addresses;
mod administration;
mod answers;
mod architecture;
mod audit;
mod audit_chain;
mod audit_queries;
mod authorization;
#[cfg(target_os = "linux")]
mod backup;
#[cfg(target_os = "linux")]
mod budgets;
#[cfg(target_os = "linux")]
mod causes;
mod claims;
mod cli;
mod client_ip;
mod clock;
mod configuration;
mod connections;
mod cookies;
mod cors;
mod crash;
mod cut_off;
mod databases;
mod date_times;
#[cfg(target_os = "linux")]
mod disk;
mod doctor;
mod documentation;
mod documents;
mod errors;
#[cfg(target_os = "linux")]
mod failovers;
mod far_future;
mod faults;
mod federation;
mod files;
mod first_run;
mod get_queries;
mod http;
mod identities;
mod introspection;
mod keys;
mod known_devices;
mod limits;
mod limits_of_victims;
mod linking;
mod login;
mod mail;
mod member_invitations;
mod messages;
mod metadata;
mod metrics;
mod migrations;
mod organizations;
#[cfg(target_os = "linux")]
mod outages;
mod own_account;
mod own_sessions;
mod passkey_attacks;
mod passkeys;
mod pending;
mod permissions;
mod policy_check;
#[cfg(target_os = "linux")]
mod poolers;
mod pre_hijacking;
mod production;
mod provider_bounds;
mod provider_doctor;
mod provider_faults;
mod provider_flows;
mod provider_github;
mod provider_kinds;
mod provider_proofs;
mod providers;
mod providers_file;
mod recovery;
mod recovery_codes;
#[cfg(target_os = "linux")]
mod redis_faults;
mod registration;
mod return_addresses;
#[cfg(target_os = "linux")]
mod round_trips;
mod schema;
mod second_factor_challenges;
mod second_factor_paths;
mod second_factor_policy;
mod second_factors;
mod secrets;
mod sessions;
#[cfg(target_os = "linux")]
mod shared_limits;
mod signed_in;
mod standing;
mod step_up;
mod streams;
mod support;
mod tenancy;
mod turning_on;
mod viewer;
#[cfg(target_os = "linux")]
mod writing;
