//! Passkeys: how they are registered, what they open and what they prove. Attacks on them are in `passkey_attacks.rs`.

mod ceremonies;
mod enrollment;
mod registration;
mod second_factor;
mod settings;
mod sign_in;
mod step_up;
mod ways_in;
