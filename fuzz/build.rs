//! Tells the pre-scan that it is compiled for the fuzzer, which asks it for its counts.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(fuzzing)");
    println!("cargo::rustc-cfg=fuzzing");
}
