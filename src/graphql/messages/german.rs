//! The messages in German, by the English text. `{}` stands for a number, or for a name
//! such as `USERS_READ`.

pub(super) const GERMAN: &[(&str, &str)] = &[
    // Who calls, and whether they may.
    ("Please sign in.", "Bitte melde dich an."),
    ("Please sign in again.", "Bitte melde dich erneut an."),
    (
        "Confirm your identity: call reauthenticate with one of the listed factors.",
        "Bestätige deine Identität: Rufe reauthenticate mit einem der genannten Faktoren auf.",
    ),
    (
        "Your account requires a second factor. Please sign in again.",
        "Dein Konto braucht einen zweiten Faktor. Bitte melde dich erneut an.",
    ),
    // Second factors and passkeys.
    (
        "This sign-in has expired. Please sign in again.",
        "Diese Anmeldung ist abgelaufen. Bitte melde dich erneut an.",
    ),
    (
        "The code or passkey is wrong or was already used.",
        "Der Code oder Passkey ist falsch oder wurde schon verwendet.",
    ),
    ("The code from the mail is wrong.", "Der Code aus der E-Mail ist falsch."),
    ("Your current password is wrong.", "Dein aktuelles Passwort ist falsch."),
    ("A password is not a second factor.", "Ein Passwort ist kein zweiter Faktor."),
    (
        "The code of the authenticator app has six digits.",
        "Der Code der Authenticator-App hat sechs Ziffern.",
    ),
    (
        "A recovery code has {} letters and digits.",
        "Ein Wiederherstellungscode hat {} Buchstaben und Ziffern.",
    ),
    (
        "Please start again with startTotpEnrollment.",
        "Bitte beginne noch einmal mit startTotpEnrollment.",
    ),
    ("Your account has no authenticator app.", "Dein Konto hat keine Authenticator-App."),
    ("Your account has no second factor.", "Dein Konto hat keinen zweiten Faktor."),
    ("Your account already has a second factor.", "Dein Konto hat schon einen zweiten Faktor."),
    (
        "Add a passkey or an authenticator app first.",
        "Füge zuerst einen Passkey oder eine Authenticator-App hinzu.",
    ),
    (
        "This server requires your account to have a second factor.",
        "Dieser Server verlangt für dein Konto einen zweiten Faktor.",
    ),
    (
        "This attempt with a passkey has expired. Please start again.",
        "Dieser Versuch mit einem Passkey ist abgelaufen. Bitte beginne noch einmal.",
    ),
    ("This server does not accept this passkey.", "Dieser Server nimmt diesen Passkey nicht an."),
    ("This server does not know this passkey.", "Dieser Server kennt diesen Passkey nicht."),
    ("Your account does not have this passkey.", "Dein Konto hat diesen Passkey nicht."),
    ("This passkey is already registered.", "Dieser Passkey ist schon registriert."),
    (
        "Your account has the maximum of {} passkeys. Delete one first.",
        "Dein Konto hat die Höchstzahl von {} Passkeys. Lösche zuerst einen.",
    ),
    ("This server has no domain for passkeys.", "Dieser Server hat keine Domain für Passkeys."),
    ("The access token has expired.", "Das Zugriffstoken ist abgelaufen."),
    (
        "The access token or the cookie is not valid.",
        "Das Zugriffstoken oder das Cookie ist ungültig.",
    ),
    (
        "Your session has ended. Please sign in again.",
        "Deine Sitzung ist beendet. Bitte melde dich erneut an.",
    ),
    (
        "You do not belong to the organization that this call names.",
        "Du gehörst nicht zu der Organisation, die dieser Aufruf nennt.",
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
        "You cannot reset your own second factors. Turn them off instead.",
        "Du kannst deine eigenen zweiten Faktoren nicht zurücksetzen. Schalte sie stattdessen aus.",
    ),
    (
        "You cannot invite somebody to a role above yours.",
        "Du kannst niemanden zu einer Rolle über deiner einladen.",
    ),
    (
        "Only the owner of the account can use this.",
        "Nur der Inhaber des Kontos kann das benutzen.",
    ),
    (
        "The username, email address or password is wrong.",
        "Benutzername, E-Mail-Adresse oder Passwort ist falsch.",
    ),
    ("The password is not the one that was chosen.", "Das ist nicht das gewählte Passwort."),
    ("Too many attempts. Please wait.", "Zu viele Versuche. Bitte warte etwas."),
    ("Please try again in a moment.", "Bitte versuche es gleich noch einmal."),
    ("Something went wrong on our side.", "Bei uns ist etwas schiefgegangen."),
    // What the server offers.
    (
        "Registration is closed on this server.",
        "Auf diesem Server ist die Registrierung geschlossen.",
    ),
    ("This server does not create new accounts.", "Dieser Server legt keine neuen Konten an."),
    ("This server does not send mail.", "Dieser Server verschickt keine E-Mails."),
    (
        "This server runs only registered documents, unless the caller has the permission {}.",
        "Dieser Server führt nur registrierte Dokumente aus, außer für Aufrufer mit dem Recht {}.",
    ),
    // Other providers.
    (
        "This server does not know this provider: see signInProviders.",
        "Dieser Server kennt diesen Anbieter nicht: siehe signInProviders.",
    ),
    ("Use one of the URLs in {}.", "Verwende eine der Adressen aus {}."),
    (
        "This sign-in has expired or began in another browser. Please start again.",
        "Diese Anmeldung ist abgelaufen oder hat in einem anderen Browser begonnen. Bitte beginne neu.",
    ),
    (
        "We could not sign you in with this provider.",
        "Die Anmeldung mit diesem Anbieter ist nicht gelungen.",
    ),
    (
        "The provider did not confirm a recent sign-in. Please sign in there again.",
        "Der Anbieter hat keine Anmeldung aus letzter Zeit bestätigt. Bitte melde dich dort erneut an.",
    ),
    (
        "An account with this email address already exists. Sign in to it, then link this provider.",
        "Ein Konto mit dieser E-Mail-Adresse gibt es schon. Melde dich dort an und verbinde dann diesen \
         Anbieter.",
    ),
    (
        "The provider did not share a usable email address. Register with a password instead.",
        "Der Anbieter hat keine brauchbare E-Mail-Adresse mitgeteilt. Registriere dich mit einem Passwort.",
    ),
    (
        "This identity is linked to another account.",
        "Diese Identität ist mit einem anderen Konto verbunden.",
    ),
    (
        "Your account has the maximum of {} identities. Unlink one first.",
        "Dein Konto hat die Höchstzahl von {} Identitäten. Trenne zuerst eine.",
    ),
    ("Your account does not have this identity.", "Dein Konto hat diese Identität nicht."),
    (
        "This is the only way to sign in to your account. Set a password first.",
        "Anders kannst du dich bei deinem Konto nicht anmelden. Setze zuerst ein Passwort.",
    ),
    (
        "This provider cannot ask you to sign in again.",
        "Dieser Anbieter kann dich nicht bitten, dich erneut anzumelden.",
    ),
    ("This provider does not issue ID tokens.", "Dieser Anbieter stellt keine ID-Token aus."),
    ("You have already chosen your username.", "Du hast deinen Benutzernamen bereits gewählt."),
    (
        "Your account already has a password. Use changePassword.",
        "Dein Konto hat bereits ein Passwort. Benutze changePassword.",
    ),
    // What was typed.
    ("Some fields are not acceptable.", "Einige Angaben sind nicht zulässig."),
    ("Choose a username.", "Wähle einen Benutzernamen."),
    ("Enter a name.", "Gib einen Namen ein."),
    (
        "Enter an email address such as name@example.com.",
        "Gib eine E-Mail-Adresse wie name@example.com ein.",
    ),
    (
        "Use an address of at most {} characters, with at most {} before the @.",
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
    ("This must not be empty.", "Das darf nicht leer sein."),
    ("This must have at least {} characters.", "Das muss mindestens {} Zeichen haben."),
    ("This must have at most {} characters.", "Das darf höchstens {} Zeichen haben."),
    ("This username is taken.", "Dieser Benutzername ist vergeben."),
    ("This email address is taken.", "Diese E-Mail-Adresse ist vergeben."),
    (
        "Choose another name: this one looks like a website address.",
        "Wähle einen anderen Namen: Dieser sieht wie die Adresse einer Website aus.",
    ),
    (
        "Choose another name: this one looks like the service or its staff.",
        "Wähle einen anderen Namen: Dieser klingt nach dem Dienst oder dessen Personal.",
    ),
    (
        "This password is on the lists that attackers try first. A few uncommon words in a row are \
         easier to remember \
         and harder to guess.",
        "Dieses Passwort steht auf Listen, die Angreifer zuerst ausprobieren. Einige seltene Wörter hintereinander sind \
         leichter zu merken und schwerer zu erraten.",
    ),
    (
        "Use a password that is not your name, your address or the name of this service.",
        "Verwende ein Passwort, das nicht dein Name, deine Adresse oder der Name dieses Dienstes ist.",
    ),
    ("Search for at least {} characters.", "Suche nach mindestens {} Zeichen."),
    ("Search for at most {} characters.", "Suche nach höchstens {} Zeichen."),
    ("Search without control characters.", "Suche ohne Steuerzeichen."),
    ("This time is in the past.", "Dieser Zeitpunkt liegt in der Vergangenheit."),
    // Links in mails.
    (
        "Enter the password of this account, or choose a new one if you did not choose it.",
        "Gib das Passwort dieses Kontos ein, oder wähle ein neues, wenn du es nicht gewählt hast.",
    ),
    (
        "Enter the password of this account, or sign in to it first.",
        "Gib das Passwort dieses Kontos ein, oder melde dich zuerst an.",
    ),
    ("This link was already used.", "Dieser Link wurde bereits benutzt."),
    (
        "This link has expired, is incomplete or was replaced by a newer one.",
        "Dieser Link ist abgelaufen, unvollständig oder durch einen neueren ersetzt.",
    ),
    (
        "This link is too old to choose a new password. Request a mail to reset it.",
        "Dieser Link ist zu alt, um ein neues Passwort zu wählen. Fordere eine E-Mail zum Zurücksetzen an.",
    ),
    // What is there, and what stands against a change.
    ("This user does not exist.", "Diesen Benutzer gibt es nicht."),
    ("This session does not exist.", "Diese Sitzung gibt es nicht."),
    ("This organization does not exist.", "Diese Organisation gibt es nicht."),
    ("This member does not exist.", "Dieses Mitglied gibt es nicht."),
    ("This invitation does not exist.", "Diese Einladung gibt es nicht."),
    (
        "The last active admin must stay an active admin.",
        "Der letzte aktive Administrator muss aktiver Administrator \
                                                          bleiben.",
    ),
    (
        "An organization needs an owner. Make another member an owner first.",
        "Eine Organisation braucht einen \
                                                                             Eigentümer. Mache zuerst ein anderes \
                                                                             Mitglied dazu.",
    ),
    (
        "First transfer or delete the organizations that only this user owns.",
        "Übergib oder lösche zuerst die Organisationen, die nur diesem Benutzer gehören.",
    ),
    (
        "You are the only other member of an organization that this user owns. Leave it first.",
        "Du bist das einzige andere Mitglied einer Organisation, die diesem Benutzer gehört. Verlasse \
         sie zuerst.",
    ),
    (
        "This change has no effect. Reading the user requires the permission {}.",
        "Diese Änderung bewirkt nichts. Den Benutzer zu lesen erfordert die Berechtigung {}.",
    ),
    (
        "Verify your address first, or delete the account.",
        "Bestätige zuerst deine Adresse, oder lösche das Konto.",
    ),
    (
        "This organization has too many pending invitations. Revoke one first.",
        "Diese Organisation hat zu viele offene Einladungen. Nimm zuerst eine zurück.",
    ),
    (
        "You belong to the maximum number of organizations. Leave one first.",
        "Du gehörst zur Höchstzahl von Organisationen. Verlasse zuerst eine.",
    ),
    ("You already belong to this organization.", "Du gehörst bereits zu dieser Organisation."),
    (
        "You have the maximum number of streams open. Close one first.",
        "Du hast die Höchstzahl von Datenströmen offen. Schließe zuerst einen.",
    ),
    (
        "This connection carries the maximum number of streams. End one first.",
        "Diese Verbindung trägt die Höchstzahl von Datenströmen. Beende zuerst einen.",
    ),
    (
        "Your address has too many connections for streams open.",
        "Von deiner Adresse aus sind zu viele Verbindungen für Datenströme offen.",
    ),
    (
        "Another export of this account is in progress. Please wait until it is complete.",
        "Ein anderer Export dieses Kontos läuft noch. Bitte warte, bis er fertig ist.",
    ),
    (
        "You can only grant and revoke permissions that you have for as long.",
        "Du kannst nur Berechtigungen geben und nehmen, die du ebenso lange hast.",
    ),
    ("You do not have this.", "Das hast du nicht."),
    ("There is nothing at this address.", "Unter dieser Adresse ist nichts."),
    (
        "There is nothing at this address. The API is at /graphql.",
        "Unter dieser Adresse ist nichts. Die API ist unter /graphql.",
    ),
    (
        "This address does not support the method: see the Allow header.",
        "Diese Adresse kennt die Methode nicht: siehe die Kopfzeile Allow.",
    ),
    (
        "Send operations by POST, or queries by GET in the URL.",
        "Sende Operationen mit POST, oder Abfragen mit GET in der URL.",
    ),
    ("Send mutations by POST.", "Sende Mutationen mit POST."),
    (
        "Send subscriptions by POST or over a WebSocket.",
        "Sende Abonnements mit POST oder über einen WebSocket.",
    ),
    ("Send the body without Content-Encoding.", "Sende den Inhalt ohne Content-Encoding."),
    (
        "Send the Content-Type application/json in UTF-{}.",
        "Sende den Content-Type application/json in UTF-{}.",
    ),
    ("A request must not exceed {} KiB.", "Eine Anfrage darf höchstens {} KiB groß sein."),
    ("The body is too long.", "Der Inhalt ist zu lang."),
    ("The URL is too long.", "Die URL ist zu lang."),
    (
        "The server is receiving too many long requests. Try again in a moment.",
        "Der Server empfängt gerade zu viele lange Anfragen. Versuche es gleich noch einmal.",
    ),
    (
        "The body took longer than {} s, or arrived at less than {} bytes per second.",
        "Der Inhalt brauchte länger als {} s oder kam mit weniger als {} Bytes pro Sekunde an.",
    ),
    (
        "The server answers queries and mutations in JSON, and subscriptions as text/event-stream. Accept one of these \
         in the Accept header.",
        "Der Server beantwortet Abfragen und Mutationen in JSON und Abonnements als text/event-stream. Nenne eines davon \
         in der Kopfzeile Accept.",
    ),
    (
        "The server sends this only with gzip compression.",
        "Der Server sendet das nur mit gzip komprimiert.",
    ),
    (
        "Pages of other sites cannot use cookie mode, because browsers do not keep this server's cookies for them. Serve \
         both below one domain, or use tokens.",
        "Seiten anderer Websites können den Cookie-Modus nicht benutzen, weil Browser die Cookies dieses Servers für sie \
         nicht behalten. Stelle beide unter einer Domain bereit, oder benutze Tokens.",
    ),
    (
        "Pages of this origin must not use cookie mode: see {}.",
        "Seiten dieses Ursprungs dürfen den Cookie-Modus nicht benutzen: siehe {}.",
    ),
    (
        "Pages of this origin must not send queries by GET: see {}.",
        "Seiten dieses Ursprungs dürfen keine Abfragen mit GET senden: siehe {}.",
    ),
    (
        "Name the page of this mutation in the Origin header. A server that renders for a browser must forward the \
         Origin that it checked.",
        "Nenne die Seite dieser Mutation in der Kopfzeile Origin. Ein Server, der für einen Browser rendert, muss den \
         geprüften Origin weitergeben.",
    ),
];
