//! What of authenticators people take along: that they have them, and nothing that proves anything. They go with the account.

use sea_orm::DbErr;
use serde_json::{Value, json};

use crate::features::accounts::{Entries, Holding};
use crate::features::authenticators::passkeys::{self, Passkey};
use crate::features::authenticators::{self, Held};
use crate::infra::db::Db;
use crate::kernel::id::UserId;
use crate::kernel::rfc3339::text;
use crate::kernel::secret::base64url;

/// An account that was taken back has none from before: they were removed with it.
pub(crate) const HOLDING: Holding = Holding {
    name: "authenticators",
    export: |db, user, _after| Box::pin(export(db, user)),
    leave: None,
    leftovers: None,
};

async fn export(db: &Db, user: UserId) -> Result<Entries, DbErr> {
    let Held { totp, recovery_codes_left, passkeys: _, passkeys_alone: _ } =
        authenticators::held(db.reader(), user).await?;
    let mut entries = Vec::new();
    entries.extend(totp.map(|totp| {
        json!({
            "type": "TOTP",
            "confirmedAt": text(totp.confirmed_at),
            "lastUsedAt": totp.last_used_at.map(text),
        })
    }));
    if recovery_codes_left > 0 {
        entries.push(json!({ "type": "RECOVERY_CODES", "left": recovery_codes_left }));
    }
    entries.extend(passkeys::list(db.reader(), user).await?.iter().map(passkey));
    Ok(Entries { entries, next: None })
}

fn passkey(passkey: &Passkey) -> Value {
    json!({
        "type": "PASSKEY",
        "id": passkey.id,
        "name": passkey.name,
        "rpId": passkey.rp_id,
        "credentialId": base64url(&passkey.credential_id),
        "transports": passkey.transports,
        "aaguid": passkey.aaguid,
        "backedUp": passkey.backed_up,
        "createdAt": text(passkey.created_at),
        "lastUsedAt": passkey.last_used_at.map(text),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_passkey_is_exported_without_its_key() {
        let (now, user) = (chrono::DateTime::UNIX_EPOCH, UserId(uuid::Uuid::nil()));
        let kept = Passkey {
            id: crate::kernel::id::PasskeyId(uuid::Uuid::nil()),
            user,
            rp_id: "example.com".to_owned(),
            credential_id: vec![0xff; 3],
            public_key: vec![1; 77],
            sign_count: 8,
            name: "Laptop".to_owned(),
            transports: vec!["internal".to_owned()],
            aaguid: uuid::Uuid::nil(),
            user_verified: true,
            conditional: false,
            backup_eligible: true,
            backed_up: true,
            created_at: now,
            last_used_at: None,
        };
        let nil = "00000000-0000-0000-0000-000000000000";
        let expected = json!({
            "type": "PASSKEY", "id": format!("passkey_{nil}"), "name": "Laptop", "rpId": "example.com",
            "credentialId": "____", "transports": ["internal"], "aaguid": nil, "backedUp": true,
            "createdAt": "1970-01-01T00:00:00.000000Z", "lastUsedAt": null,
        });
        assert_eq!(passkey(&kept), expected);
    }
}
