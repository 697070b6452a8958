//! What a browser does at a provider, over a socket.

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Html;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::{Url, form_urlencoded};

use super::Reply;

/// Visits an address, as a browser does that follows nothing.
pub(crate) async fn visit(url: &str) -> Reply {
    exchange("GET", url, &[], "").await
}

/// Sends a request to an address of this machine, and reads what comes back.
pub(crate) async fn exchange(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    let parsed = Url::parse(url).unwrap();
    let port = parsed.port().unwrap();
    let query = parsed.query().map(|query| format!("?{query}")).unwrap_or_default();
    // HTTP/1.0: the answer is not in chunks, and ends with the connection.
    let mut request = format!("{method} {}{query} HTTP/1.0\r\nhost: localhost\r\n", parsed.path());
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    write!(request, "content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    read(&answer)
}

fn read(answer: &str) -> Reply {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers: HeaderMap = headers
        .map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect();
    Reply {
        status: StatusCode::from_bytes(status.as_bytes()).unwrap(),
        headers,
        text: body.to_owned(),
    }
}

/// The fields of a form or of a query.
pub(crate) fn fields(encoded: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(encoded).into_owned().collect()
}

/// A page that posts the fields to an address by itself.
pub(crate) fn form_page(action: &str, fields: &[(&str, String)]) -> Html<String> {
    let inputs = fields.iter().map(|(name, value)| {
        let value = value.replace('&', "&amp;").replace('"', "&quot;");
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")
    });
    let inputs: String = inputs.collect();
    Html(format!(
        "<!doctype html><form method=\"post\" action=\"{action}\">{inputs}</form>\
         <script>document.forms[0].submit()</script>"
    ))
}

/// Where the only form of a page posts to, and what.
pub(crate) fn form_of(page: &str) -> (String, Vec<(String, String)>) {
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\"")).unwrap_or_else(|| panic!("{tag}"));
        let text = rest.split('"').next().unwrap();
        // The ampersand last: it may be that of another one's name.
        let named = [("&quot;", "\""), ("&#34;", "\""), ("&#x27;", "'"), ("&#39;", "'")];
        let more = [("&lt;", "<"), ("&gt;", ">"), ("&#x2f;", "/"), ("&#x2F;", "/"), ("&amp;", "&")];
        let entities = named.into_iter().chain(more);
        entities.fold(text.to_owned(), |text, (entity, of)| text.replace(entity, of))
    };
    let form = page.split("<form").nth(1).unwrap_or_else(|| panic!("no form: {page}"));
    let inputs = form.split("<input").skip(1).map(|tag| tag.split('>').next().unwrap());
    let named = inputs.filter(|tag| tag.contains(" name=\""));
    let fields = named.map(|tag| (attribute(tag, "name"), attribute(tag, "value")));
    // Without one it posts to where the page is.
    let tag = form.split('>').next().unwrap();
    let action = tag.contains(" action=").then(|| attribute(tag, "action"));
    (action.unwrap_or_default(), fields.collect())
}

/// How a client says who it is in a header (RFC 6749, section 2.3.1).
pub(crate) fn basic(id: &str, secret: &str) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))))
}
