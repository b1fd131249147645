//! Event streams: the standard's examples, hostile input, and every way of cutting the bytes.
use proptest::prelude::*;

use super::*;

/// Reads a stream in pieces and returns `name|data` lines, the event left at the end behind `~`, and an error behind `!`.
fn read(pieces: &[&[u8]], event_bytes_max: usize) -> Vec<String> {
    let mut reader = Reader::new(event_bytes_max);
    let mut events = Vec::new();
    let mut failure = None;
    for piece in pieces {
        if let Err(error) = reader.push(piece, &mut events) {
            failure.get_or_insert_with(|| error.to_string());
        }
    }
    let show = |event: Event| format!("{}|{}", event.name.unwrap_or_default(), event.data);
    let mut shown: Vec<String> = events.into_iter().map(show).collect();
    shown.extend(reader.finish().map(|event| format!("~{}", show(event))));
    shown.extend(failure.map(|failure| format!("!{failure}")));
    shown
}

fn check(stream: &str, expect: &[&str]) {
    assert_eq!(read(&[stream.as_bytes()], 1000), expect, "{stream:?} whole");
    let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
    assert_eq!(read(&bytes, 1000), expect, "{stream:?} by the byte");
}

#[test]
fn events() {
    check("data: a\n\ndata: b\n\n", &["|a", "|b"]);
    check("data: a\r\n\r\ndata: b\r\n\r\n", &["|a", "|b"]);
    check("data: a\r\rdata: b\r\r", &["|a", "|b"]);
    check("data: a\r\n\ndata: b\n\r\n", &["|a", "|b"]);
    check("data: one\ndata: two\ndata:three\n\n", &["|one\ntwo\nthree"]);
    check("event: ping\ndata: {}\n\n", &["ping|{}"]);
    check("data: {}\nevent: late\n\ndata: next\n\n", &["late|{}", "|next"]);
    check("\u{feff}data: a\n\n", &["|a"]);
    check("data: \u{feff}a\n\n", &["|\u{feff}a"]);
    check(": comment\n\ndata: a\n: keepalive\n\n", &["|a"]);
    check("data\n\ndata\ndata\n\n", &["|", "|\n"]);
    check("data:  two spaces\n\n", &["| two spaces"]);
    check("id: 7\nretry: 10\nother: x\ndata: a\n\n", &["|a"]);
    check("event: lonely\n\ndata: a\n\n", &["|a"]);
    check("data: 词元🙂\n\n", &["|词元🙂"]);
    check("data: a:b: c\n\n", &["|a:b: c"]);
    check("", &[]);
    check("\n\n\n", &[]);
}

#[test]
fn what_the_stream_ends_in() {
    check("data: a\n\ndata: [DONE]\n", &["|a", "~|[DONE]"]);
    check("data: a\n\ndata: [DO", &["|a"]);
    check("data: a\ndata: cut", &["~|a"]);
}

#[test]
fn an_endless_line_is_refused() {
    let stream = format!("data: ok\n\ndata: {}", "x".repeat(2000));
    check(&stream, &["|ok", "!read an event stream: an event is larger than 1000 bytes"]);
    let comment = format!(":{}", " ".repeat(2000));
    check(&comment, &["!read an event stream: an event is larger than 1000 bytes"]);
    let lines = "data: 0123456789\n".repeat(200);
    check(&lines, &["!read an event stream: an event is larger than 1000 bytes"]);
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let stream: &[u8] = b"data: ok\n\ndata: \xff\xfe\n\ndata: never\n\n";
    let expect = ["|ok", "!read an event stream as UTF-8"];
    assert_eq!(read(&[stream], 1000), expect);
    assert_eq!(read(&stream.chunks(1).collect::<Vec<_>>(), 1000), expect);
}

#[test]
fn data_with_line_ends_survives_the_writer() {
    let mut out = Vec::new();
    write_data("{\n \"a\": 1\r\n}", &mut out);
    out.extend_from_slice(DONE);
    assert_eq!(out, b"data: {\ndata:  \"a\": 1\ndata: }\n\ndata: [DONE]\n\n");
    assert_eq!(read(&[&out], 1000), ["|{\n \"a\": 1\n}", "|[DONE]"]);
}

/// Streams made of the pieces that matter, valid or not.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"data: ".to_vec()),
        Just(b"event: e".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\r\n\r\n".to_vec()),
        Just(b"\n\n".to_vec()),
        Just(b":".to_vec()),
        Just(b"\xef\xbb\xbf".to_vec()),
        Just("{\"词\": \"🙂\"}".as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..12),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Any way of cutting the bytes gives the same events, the same end and the same error.
    #[test]
    fn any_cut_gives_the_same_events(stream in stream(), cuts in proptest::collection::vec(0usize..400, 0..12)) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        prop_assert_eq!(read(&pieces, 60), read(&[&stream], 60));
    }

    /// What the writer wrote, the reader reads.
    #[test]
    fn written_data_is_read_back(data in "[^\r]{0,60}") {
        let mut out = Vec::new();
        write_data(&data, &mut out);
        prop_assert_eq!(read(&[&out], 1000), [format!("|{data}")]);
    }
}
