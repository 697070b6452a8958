//! The messages in German, by the English text. `{}` stands for a number.

pub(super) const GERMAN: &[(&str, &str)] = &[
    // Who calls, and whether they may.
    ("Please sign in", "Bitte melde dich an"),
    ("Please sign in again", "Bitte melde dich erneut an"),
    (
        "Confirm that it is you: call reauthenticate with one of the listed factors.",
        "Bestätige, dass du es bist: Rufe reauthenticate mit einem der genannten Faktoren auf.",
    ),
    (
        "Your account needs a second factor; please sign in again",
        "Dein Konto braucht einen zweiten Faktor; bitte melde dich erneut an",
    ),
    // Second factors and passkeys.
    (
        "This sign-in is over; please sign in again",
        "Diese Anmeldung ist abgelaufen; bitte melde dich erneut an",
    ),
    ("This is wrong, or was used already", "Das ist falsch oder wurde schon verwendet"),
    ("The code from the mail is wrong", "Der Code aus der E-Mail ist falsch"),
    ("A password is no second factor", "Ein Passwort ist kein zweiter Faktor"),
    ("The code of an app has six digits", "Der Code einer App hat sechs Ziffern"),
    (
        "A recovery code has {} letters and digits",
        "Ein Wiederherstellungscode hat {} Buchstaben und Ziffern",
    ),
    (
        "Please start again with startTotpEnrollment",
        "Bitte beginne noch einmal mit startTotpEnrollment",
    ),
    ("Your account has no authenticator app", "Dein Konto hat keine Authenticator-App"),
    ("Your account has no second factor", "Dein Konto hat keinen zweiten Faktor"),
    ("Your account has a second factor", "Dein Konto hat einen zweiten Faktor"),
    (
        "Add a passkey first, or an authenticator app",
        "Füge zuerst einen Passkey oder eine Authenticator-App hinzu",
    ),
    (
        "Your account may not be without a second factor",
        "Dein Konto darf nicht ohne zweiten Faktor sein",
    ),
    (
        "This attempt with a passkey is over; please start again",
        "Dieser Versuch mit einem Passkey ist abgelaufen; bitte beginne noch einmal",
    ),
    ("This passkey cannot be used here", "Dieser Passkey kann hier nicht verwendet werden"),
    ("This passkey is not known here", "Dieser Passkey ist hier nicht bekannt"),
    ("There is no such passkey", "Diesen Passkey gibt es nicht"),
    ("This passkey is registered already", "Dieser Passkey ist schon registriert"),
    (
        "Your account has the maximum of {} passkeys",
        "Dein Konto hat die Höchstzahl von {} Passkeys",
    ),
    ("This server has no domain for passkeys", "Dieser Server hat keine Domain für Passkeys"),
    ("The access token has expired", "Das Zugriffstoken ist abgelaufen"),
    (
        "The access token or the cookie is not valid",
        "Das Zugriffstoken oder das Cookie ist ungültig",
    ),
    (
        "The session is over; please sign in again",
        "Die Sitzung ist beendet; bitte melde dich erneut an",
    ),
    (
        "You do not belong to the organization that this call names",
        "Du gehörst nicht zu der Organisation, die dieser Aufruf nennt",
    ),
    ("This needs the permission {}.", "Das braucht die Berechtigung {}."),
    ("This needs the role USER.", "Das braucht die Rolle USER."),
    ("This needs the role ADMIN.", "Das braucht die Rolle ADMIN."),
    (
        "This needs the role MEMBER in the organization.",
        "Das braucht die Rolle MEMBER in der Organisation.",
    ),
    (
        "This needs the role ADMIN in the organization.",
        "Das braucht die Rolle ADMIN in der Organisation.",
    ),
    (
        "This needs the role OWNER in the organization.",
        "Das braucht die Rolle OWNER in der Organisation.",
    ),
    (
        "This needs the role MEMBER in the active organization.",
        "Das braucht die Rolle MEMBER in der aktiven Organisation.",
    ),
    (
        "This needs the role ADMIN in the active organization.",
        "Das braucht die Rolle ADMIN in der aktiven Organisation.",
    ),
    (
        "This needs the role OWNER in the active organization.",
        "Das braucht die Rolle OWNER in der aktiven Organisation.",
    ),
    (
        "You cannot change an account that has more permissions than yours.",
        "Du kannst kein Konto ändern, das mehr Berechtigungen hat als deines.",
    ),
    (
        "You cannot reset your own second factors: turn them off instead.",
        "Du kannst deine eigenen zweiten Faktoren nicht zurücksetzen: Schalte sie stattdessen aus.",
    ),
    (
        "You cannot invite somebody to a role above yours.",
        "Du kannst niemanden zu einer Rolle über deiner einladen.",
    ),
    (
        "You cannot take back an invitation by an account that has more permissions than yours.",
        "Du kannst keine Einladung von einem Konto zurücknehmen, das mehr Berechtigungen hat als deines.",
    ),
    ("Only the owner of the account may see this.", "Das sieht nur, wem das Konto gehört."),
    (
        "Wrong username, e-mail address or password",
        "Benutzername, E-Mail-Adresse oder Passwort ist falsch",
    ),
    ("This is not the password that was chosen", "Das ist nicht das gewählte Passwort"),
    ("Too many attempts; please wait", "Zu viele Versuche; bitte warte etwas"),
    ("Please try again in a moment", "Bitte versuche es gleich noch einmal"),
    ("Something went wrong on our side", "Bei uns ist etwas schiefgegangen"),
    // What the server offers.
    (
        "Registration is closed on this server",
        "Auf diesem Server ist die Registrierung geschlossen",
    ),
    ("This server makes no new accounts", "Dieser Server legt keine neuen Konten an"),
    ("This server sends no mail", "Dieser Server verschickt keine E-Mails"),
    (
        "This server runs only registered documents",
        "Dieser Server führt nur registrierte Dokumente aus",
    ),
    // Other providers.
    (
        "There is no such provider: see signInProviders",
        "Diesen Anbieter gibt es nicht: siehe signInProviders",
    ),
    ("Name one of the URLs in {}", "Nenne eine der Adressen aus {}"),
    (
        "This sign-in is over, or was begun elsewhere; please start again",
        "Diese Anmeldung ist vorbei oder wurde anderswo begonnen; bitte beginne neu",
    ),
    (
        "We could not sign you in with this provider",
        "Die Anmeldung mit diesem Anbieter ist nicht gelungen",
    ),
    (
        "The provider did not confirm a recent sign-in. Please sign in there again",
        "Der Anbieter hat keine Anmeldung aus letzter Zeit bestätigt. Bitte melde dich dort erneut an",
    ),
    (
        "An account with this e-mail address already exists. Sign in to it, then link this provider",
        "Ein Konto mit dieser E-Mail-Adresse gibt es schon. Melde dich dort an und verbinde dann diesen Anbieter",
    ),
    (
        "The provider did not share a usable e-mail address. Register with a password instead",
        "Der Anbieter hat keine brauchbare E-Mail-Adresse mitgeteilt. Registriere dich mit einem Passwort",
    ),
    (
        "This identity is linked to another account",
        "Diese Identität ist mit einem anderen Konto verbunden",
    ),
    (
        "Your account has the maximum of {} identities",
        "Dein Konto hat bereits {} Identitäten, mehr sind nicht möglich",
    ),
    ("There is no such identity", "Diese Identität gibt es nicht"),
    (
        "This is the only way to sign in to your account. Set a password first",
        "Anders kannst du dich bei deinem Konto nicht anmelden. Setze zuerst ein Passwort",
    ),
    (
        "This provider cannot ask you to sign in again",
        "Dieser Anbieter kann dich nicht bitten, dich erneut anzumelden",
    ),
    ("This provider issues no ID tokens", "Dieser Anbieter stellt keine ID-Token aus"),
    ("You have already chosen your username", "Du hast deinen Benutzernamen bereits gewählt"),
    (
        "Your account has a password already: use changePassword",
        "Dein Konto hat bereits ein Passwort: Benutze changePassword",
    ),
    // What was typed.
    ("Some fields are not acceptable", "Einige Angaben sind nicht zulässig"),
    ("Choose a username", "Wähle einen Benutzernamen"),
    ("Enter a name.", "Gib einen Namen ein."),
    (
        "Enter an e-mail address such as name@example.com.",
        "Gib eine E-Mail-Adresse wie name@example.com ein.",
    ),
    (
        "Use an address of at most {} characters, of which at most {} stand before the @.",
        "Verwende eine Adresse mit höchstens {} Zeichen, davon höchstens {} vor dem @.",
    ),
    ("Use at least {} characters.", "Verwende mindestens {} Zeichen."),
    ("Use at most {} characters.", "Verwende höchstens {} Zeichen."),
    (
        "Use the letters A to Z, digits, dots, underscores and hyphens, with a letter or digit first and last.",
        "Verwende die Buchstaben A bis Z, Ziffern, Punkte, Unterstriche und Bindestriche, am Anfang und am Ende \
         einen Buchstaben oder eine Ziffer.",
    ),
    (
        "Leave out line breaks and invisible characters.",
        "Lass Zeilenumbrüche und unsichtbare Zeichen weg.",
    ),
    (
        "Enter an https address such as https://example.com/picture.png.",
        "Gib eine https-Adresse wie https://example.com/picture.png ein.",
    ),
    ("Use at most {} bytes of JSON.", "Verwende höchstens {} Byte JSON."),
    (
        "Nest objects and lists at most {} levels deep.",
        "Verschachtele Objekte und Listen höchstens {} Ebenen tief.",
    ),
    ("This must not be empty", "Das darf nicht leer sein"),
    ("This must have at least {} characters", "Das muss mindestens {} Zeichen haben"),
    ("This must have at most {} characters", "Das darf höchstens {} Zeichen haben"),
    ("This username is taken", "Dieser Benutzername ist vergeben"),
    ("This e-mail address is taken", "Diese E-Mail-Adresse ist vergeben"),
    (
        "Choose another name: this one could be taken for the address of a website.",
        "Wähle einen anderen Namen: Dieser könnte für die Adresse einer Website gehalten werden.",
    ),
    (
        "Choose another name: this one could be taken for the service or its staff.",
        "Wähle einen anderen Namen: Dieser könnte für den Dienst oder dessen Personal gehalten werden.",
    ),
    (
        "This password is on lists that attackers try first. A few uncommon words in a row are easier to remember and harder \
         to guess.",
        "Dieses Passwort steht auf Listen, die Angreifer zuerst ausprobieren. Einige seltene Wörter hintereinander sind \
         leichter zu merken und schwerer zu erraten.",
    ),
    (
        "Use a password that is not your name, your address or the name of this service.",
        "Verwende ein Passwort, das nicht dein Name, deine Adresse oder der Name dieses Dienstes ist.",
    ),
    ("A search has at least {} characters", "Eine Suche hat mindestens {} Zeichen"),
    ("A search has at most {} characters", "Eine Suche hat höchstens {} Zeichen"),
    ("A search has no control characters", "Eine Suche hat keine Steuerzeichen"),
    ("This time is over", "Dieser Zeitpunkt ist vorbei"),
    // Links in mails.
    (
        "Enter the password of this account, or choose another if you did not choose it",
        "Gib das Passwort dieses Kontos ein, oder wähle ein anderes, wenn du es nicht gewählt hast",
    ),
    (
        "Enter the password of this account, or sign in to it first",
        "Gib das Passwort dieses Kontos ein, oder melde dich zuerst an",
    ),
    ("This link has done its work already", "Dieser Link wurde bereits benutzt"),
    (
        "This link is too old, replaced by a newer one or not complete",
        "Dieser Link ist zu alt, durch einen neueren ersetzt oder unvollständig",
    ),
    (
        "This link is too old for another password: ask for a mail to choose one",
        "Dieser Link ist zu alt für ein anderes Passwort: Fordere eine E-Mail an, um eines zu wählen",
    ),
    // What is there, and what stands against a change.
    ("There is no such user", "Diesen Benutzer gibt es nicht"),
    ("There is no such session", "Diese Sitzung gibt es nicht"),
    ("There is no such organization", "Diese Organisation gibt es nicht"),
    ("There is no such member", "Dieses Mitglied gibt es nicht"),
    ("There is no such invitation", "Diese Einladung gibt es nicht"),
    ("The last active admin must stay", "Der letzte aktive Administrator muss bleiben"),
    ("The last owner must stay", "Der letzte Eigentümer muss bleiben"),
    (
        "Hand over or delete the organizations whose only owner this is",
        "Übergib oder lösche zuerst die Organisationen, deren einziger Eigentümer dies ist",
    ),
    (
        "This user owns an organization whose only other member you are: leave it first",
        "Diesem Benutzer gehört eine Organisation, deren einziges anderes Mitglied du bist: Verlasse sie zuerst",
    ),
    (
        "The user is already as you ask. Reading users needs the permission USERS_READ",
        "Der Benutzer ist bereits so. Benutzer zu lesen erfordert die Berechtigung USERS_READ",
    ),
    (
        "Verify your address first, or delete the account",
        "Bestätige zuerst deine Adresse, oder lösche das Konto",
    ),
    (
        "Too many invitations of this organization are pending",
        "Zu viele Einladungen dieser Organisation stehen noch aus",
    ),
    (
        "You belong to as many organizations as one can",
        "Du gehörst zu so vielen Organisationen, wie möglich ist",
    ),
    ("You belong to this organization already", "Du gehörst bereits zu dieser Organisation"),
    (
        "You have as many streams open as one user may: close one first",
        "Du hast so viele Datenströme offen, wie ein Benutzer haben darf: Schließe zuerst einen",
    ),
    (
        "This connection carries as many streams as one may: end one first",
        "Diese Verbindung trägt so viele Datenströme, wie eine darf: Beende zuerst einen",
    ),
    (
        "Too many connections for streams are open from your address",
        "Von deiner Adresse aus sind zu viele Verbindungen für Datenströme offen",
    ),
    (
        "Another export of this account is under way; please wait until it is complete",
        "Ein anderer Export dieses Kontos läuft noch; bitte warte, bis er fertig ist",
    ),
];
