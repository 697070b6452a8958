//! What comes back from a server.

use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

/// How a run of the command line ended.
#[derive(Debug)]
pub struct Outcome {
    /// The code that the process exited with.
    pub status: i32,
    /// All that it wrote there.
    pub stdout: String,
    /// All that it complained of.
    pub stderr: String,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// The status of HTTP.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

/// A signed-in user.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Their id, as the API writes it.
    pub id: String,
    /// The name that they registered with.
    pub username: String,
    /// The access token of their session.
    pub access: String,
    /// The refresh token of their session.
    pub refresh: String,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|_| panic!("the answer is not JSON: {}", self.text))
    }

    /// `data`, of a call that succeeded.
    pub fn data(&self) -> Value {
        let json = self.json();
        assert!(json.get("errors").is_none(), "{}", self.text);
        json["data"].clone()
    }

    /// The code of the first error.
    pub fn code(&self) -> String {
        self.extension("code").as_str().unwrap_or("NONE").to_owned()
    }

    /// An entry of the `extensions` of the first error.
    pub fn extension(&self, name: &str) -> Value {
        self.json()["errors"][0]["extensions"][name].clone()
    }

    /// The path and the code of the first refused field, of the first error.
    pub fn refused_field(&self) -> (String, String) {
        let field = &self.extension("fields")[0];
        let [path, code] = [&field["path"], &field["code"]];
        (path.as_str().unwrap_or_default().to_owned(), code.as_str().unwrap_or_default().to_owned())
    }

    /// Who a call of `field` signed in.
    pub fn signed_in(&self, field: &str) -> SignedIn {
        let payload = &self.data()[field];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        SignedIn {
            id: text(&payload["user"]["id"]),
            username: text(&payload["user"]["username"]),
            access: text(&payload["accessToken"]),
            refresh: text(&payload["refreshToken"]),
        }
    }
}

impl Outcome {
    /// What a run printed that went well.
    pub fn printed(&self) -> &str {
        assert_eq!(self.status, 0, "{self:?}");
        &self.stdout
    }

    /// What a run complained of that did not, and printed nothing.
    pub fn complaint(&self) -> &str {
        assert_eq!((self.status, self.stdout.as_str()), (1, ""), "{self:?}");
        &self.stderr
    }

    /// What a run printed that went well, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(self.printed()).unwrap()
    }
}
