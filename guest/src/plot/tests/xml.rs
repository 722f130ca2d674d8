//! A check that markup is well-formed XML, as far as it is used here: elements,
//! quoted attributes, the five entities and character references.

/// What is wrong with the markup, if something is. A doctype may come first.
pub(crate) fn check(markup: &str) -> Result<(), String> {
    let mut rest = markup.strip_prefix("<!doctype html>").unwrap_or(markup);
    let mut open: Vec<&str> = Vec::new();
    while let Some(at) = rest.find('<') {
        text(&rest[..at])?;
        let end = at + tag_length(&rest[at..])?;
        let inside = &rest[at + 1..end - 1];
        rest = &rest[end..];
        if let Some(name) = inside.strip_prefix('/') {
            match open.pop() {
                Some(opened) if opened == name => {}
                opened => return Err(format!("</{name}> closes {opened:?}")),
            }
            continue;
        }
        let (inside, closed) = match inside.strip_suffix('/') {
            Some(inside) => (inside, true),
            None => (inside, false),
        };
        let name = inside.split([' ', '\n']).next().unwrap_or_default();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(format!("an element {name:?}"));
        }
        attributes(&inside[name.len()..])?;
        if !closed {
            open.push(name);
        }
        // What a style sheet or script says is not looked into; none of ours has `<`.
    }
    text(rest)?;
    open.pop()
        .map_or(Ok(()), |name| Err(format!("<{name}> is not closed")))
}

/// Up to and with the `>` that is not within quotes.
fn tag_length(tag: &str) -> Result<usize, String> {
    let mut quoted = false;
    for (at, character) in tag.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '>' if !quoted => return Ok(at + 1),
            '<' if at > 0 => return Err(format!("< within {tag:.60}")),
            _ => {}
        }
    }
    Err(format!("no end of {tag:.60}"))
}

fn attributes(mut rest: &str) -> Result<(), String> {
    let mut names = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(());
        }
        let (name, after) = rest
            .split_once("=\"")
            .ok_or(format!("an attribute {rest:.60}"))?;
        let (value, after) = after
            .split_once('"')
            .ok_or(format!("no end of {name:.60}"))?;
        let sound = |b: u8| b.is_ascii_alphanumeric() || b"-:".contains(&b);
        if name.is_empty() || !name.bytes().all(sound) || names.contains(&name) {
            return Err(format!("an attribute {name:.60}"));
        }
        names.push(name);
        text(value)?;
        if !after.is_empty() && !after.starts_with([' ', '\n']) {
            return Err(format!("no space before {after:.60}"));
        }
        rest = after;
    }
}

fn text(text: &str) -> Result<(), String> {
    let is_char = |c: char| matches!(c, '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'..);
    if let Some(bad) = text.chars().find(|c| !is_char(*c)) {
        return Err(format!("a character {bad:?}"));
    }
    for after in text.split('&').skip(1) {
        let name = after
            .split_once(';')
            .map(|(name, _)| name)
            .unwrap_or_default();
        if !matches!(name, "amp" | "lt" | "gt" | "quot" | "#39") {
            return Err(format!("a reference &{after:.20}"));
        }
    }
    Ok(())
}

#[test]
fn the_check_finds_what_is_not_well_formed() {
    for good in [
        "<a/>",
        "<a b=\"c&amp;>\">x<d/>&lt;</a>",
        "<!doctype html><p>é</p>",
    ] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
    for bad in [
        "<a>",
        "</a>",
        "<a></b>",
        "<a b=c/>",
        "<a b=\"1\" b=\"2\"/>",
        "<a b=\"<\"/>",
        "a & b",
        "<a b=\"x\"y=\"z\"/>",
        "<a onload/>",
        "<a>\u{1}</a>",
        "<a",
        "&nbsp;",
    ] {
        assert!(check(bad).is_err(), "{bad}");
    }
}
