# Makes the settings file of the Debian package from .env.example: the paragraphs of what most operators set, with the
# places that the package decides.
BEGIN {
    RS = ""
    chosen["PORTCULLIS_ENV"] = "production"
    chosen["DATA_DIR"] = "/var/lib/portcullis"
    # Left to the operator. An empty one stands as in the example.
    shown["PUBLIC_URL"] = "https://auth.example.com"
    shown["DATABASE_URL"] = "sqlite:///var/lib/portcullis/portcullis.db"
    shown["LISTEN"]; shown["TRUSTED_PROXIES"]; shown["SMTP_URL"]
    shown["REGISTRATION"]; shown["REQUIRE_SECOND_FACTOR"]; shown["PASSKEY_RP_ID"]
    printf "%s\n", "# Settings of the service portcullis. Restart it after a change: systemctl restart portcullis.\n" \
        "# /usr/share/doc/portcullis/examples/env describes all settings; `portcullisctl doctor` checks these."
}
# A paragraph ends with its settings, as in `# LISTEN=127.0.0.1:8000`.
match($0, /\n# [A-Z_]+=/) {
    name = substr($0, RSTART + 3, RLENGTH - 4)
    if (name in chosen) {
        printf "\n%s%s=%s\n", substr($0, 1, RSTART), name, chosen[name]
        found[name]
    } else if (name in shown) {
        printf "\n%s\n", shown[name] ? substr($0, 1, RSTART) "# " name "=" shown[name] : $0
        found[name]
    }
}
END {
    for (name in chosen) if (!(name in found)) missing = missing " " name
    for (name in shown) if (!(name in found)) missing = missing " " name
    if (missing) {
        print "packaging: .env.example does not describe" missing > "/dev/stderr"
        exit 1
    }
}
