//! TLS to the database, to Redis, to mail servers.

/// Has all of it use aws-lc-rs. Where a crate beside this one brings another library along, rustls would not know which
/// to use, and panic.
pub(crate) fn choose_cryptography() {
    // Whoever embeds this program may have chosen already.
    let _chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
