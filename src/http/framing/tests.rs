use super::*;

/// What the watcher says of one head, in one piece and byte by byte.
fn told(head: &str) -> Option<Result<Body, Ambiguous>> {
    let [mut whole, mut parts] = [Framing::default(), Framing::default()];
    whole.see(head.as_bytes());
    head.bytes().for_each(|byte| assert_eq!(parts.see(&[byte]), 1));
    assert_eq!(whole.told, parts.told, "{head}");
    whole.told
}

#[test]
fn a_head_says_once_how_long_its_body_is_or_is_ambiguous() {
    let (length, encoding) = ("Content-Length: 3\r\n", "transfer-ENCODING: chunked\r\n");
    let get = "\r\nGET http://a/ HTTP/1.1\r\n";
    let long = format!("{}: a\r\n{length}", "transfer-encoding".repeat(9));
    for (headers, expected) in [
        ("host: a\r\n", Ok(Body::Sized(0))),
        (length, Ok(Body::Sized(3))),
        (encoding, Ok(Body::Chunked)),
        (&format!("{length}host: a\r\n{encoding}"), Err(Ambiguous)),
        (&format!("{encoding}{length}"), Err(Ambiguous)),
        (&format!("{length}{length}"), Err(Ambiguous)),
        (&format!("{encoding}{encoding}"), Err(Ambiguous)),
        ("content-length: 3, 3\r\n", Err(Ambiguous)),
        ("content-length: -3\r\n", Err(Ambiguous)),
        ("content-length: 99999999999999999999\r\n", Err(Ambiguous)),
        (&format!("{encoding}x: Content-Length: 3\r\n"), Ok(Body::Chunked)),
        (&format!("{encoding}x-content-length: 3\r\n"), Ok(Body::Chunked)),
        (&format!("{encoding}content-lengthy: 3\r\n"), Ok(Body::Chunked)),
        (&long, Ok(Body::Sized(3))),
    ] {
        assert_eq!(told(&format!("{get}{headers}\r\n")), Some(expected), "{headers}");
    }
}

#[test]
fn a_request_ends_where_its_body_does() {
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;a\r\nabc\r\n0\r\nb: c\r\n\r\n",
    ] {
        let mut framing = Framing::default();
        let two = format!("{request}{request}");
        assert_eq!(framing.see(two.as_bytes()), request.len());
        assert!(framing.has_begun());
        framing.told = None;
        assert!(!framing.has_begun());
        assert_eq!(framing.see(request.as_bytes()), request.len());
    }
}

#[test]
fn who_finds_another_head_or_another_length_is_not_believed() {
    let head = b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\n";
    for (seen, length, expected) in [
        (head.as_slice(), Some(3), Ok(())),
        (head, Some(4), Err(Ambiguous)),
        (head, None, Err(Ambiguous)),
        (&head[..9], Some(0), Err(Ambiguous)),
    ] {
        let mut framing = Framing::default();
        framing.see(seen);
        assert_eq!(framing.judge(length), expected);
        assert_eq!(framing.judge(length), Err(Ambiguous), "one head is one request");
    }
}

#[test]
fn behind_broken_chunks_nothing_is_believed() {
    for chunks in [
        "zz\r\n",
        "3\nabc\n",
        "3\r\nabcd",
        "3 3\r\n",
        "fffffffffffffffff\r\n",
        "0\r\n\rx",
        "0\r\n\n",
        "0\r\na: b\n\r\n",
        "0\r\na: b\r\n\n",
    ] {
        let mut framing = Framing::default();
        framing.see(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!(framing.judge(None), Ok(()));
        framing.see(chunks.as_bytes());
        // The first of them could be taken for the rest of the body.
        framing.see(b"GET / HTTP/1.1\r\n\r\n");
        framing.see(b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(framing.judge(Some(0)), Err(Ambiguous), "{chunks}");
    }
}
