//! The parameter `fields`: which parts of a report are wanted.

use crate::limits::{MAX_FIELDS, MAX_QUOTED_CHARS};
use crate::report::walk::{Container, Pointer, Walk};
use std::collections::BTreeMap;

/// A tree of the wanted members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    /// With everything in it.
    whole: bool,
    members: BTreeMap<String, Node>,
}

/// The parts of a report that are wanted; `_received` always is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Option<Node>);

impl Fields {
    /// Reads the values of all `fields` parameters: JSON Pointers, several in
    /// one value separated by commas. None at all means the whole report.
    ///
    /// # Errors
    /// The pointer at fault.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Fields, String> {
        let mut root = Node::default();
        let mut fields = 0;
        for text in texts.into_iter().flat_map(|text| text.split(',')) {
            fields += 1;
            let pointer = Pointer::parse(text).filter(|_| fields <= MAX_FIELDS);
            let Some(pointer) = pointer.filter(|pointer| !pointer.is_whole()) else {
                let shown: String = text.chars().take(MAX_QUOTED_CHARS).collect();
                return Err(format!(
                    "{shown:?} is no field: give up to {MAX_FIELDS} JSON Pointers like /clientId \
                     or /hosts/0/name, separated by commas"
                ));
            };
            root.want(pointer.tokens());
        }
        if fields == 0 {
            return Ok(Fields(None));
        }
        root.want(&["_received".to_owned()]);
        Ok(Fields(Some(root)))
    }

    /// The line with only the wanted parts, in their places. Elements of an
    /// array that are not wanted are left out, so the others move up.
    pub fn project(&self, line: &[u8]) -> Vec<u8> {
        let Some(root) = &self.0 else {
            return line.to_vec();
        };
        let mut out = Vec::new();
        project(Walk(line), 0, root, &mut out);
        out
    }
}

impl Node {
    fn want(&mut self, tokens: &[String]) {
        let Some((token, rest)) = tokens.split_first() else {
            self.whole = true;
            return;
        };
        self.members.entry(token.clone()).or_default().want(rest);
    }

    /// Whether there is something to go into, where not the whole is wanted.
    fn fits(&self, text: Walk<'_>, at: usize) -> bool {
        self.whole || text.opens(at).is_some()
    }
}

fn project(text: Walk<'_>, at: usize, node: &Node, out: &mut Vec<u8>) {
    if node.whole {
        out.extend_from_slice(text.raw(at).as_bytes());
        return;
    }
    let mut first = true;
    let mut separate = move |out: &mut Vec<u8>| {
        if !std::mem::replace(&mut first, false) {
            out.push(b',');
        }
    };
    match text.opens(at) {
        Some(Container::Object) => {
            out.push(b'{');
            text.entries(at, |key, value| {
                let Some(wanted) = node.members.get(&*key).filter(|w| w.fits(text, value)) else {
                    return;
                };
                separate(out);
                out.extend_from_slice(serde_json::Value::from(&*key).to_string().as_bytes());
                out.push(b':');
                project(text, value, wanted, out);
            });
            out.push(b'}');
        }
        Some(Container::Array) => {
            out.push(b'[');
            let mut number = 0_usize;
            text.elements(at, |element| {
                let wanted = node.members.get(&number.to_string());
                if let Some(wanted) = wanted.filter(|w| w.fits(text, element)) {
                    separate(out);
                    project(text, element, wanted, out);
                }
                number += 1;
                text.end(element)
            });
            out.push(b']');
        }
        None => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"_received":{"at":"x","id":"y"},"a":1,"b":{"c":[10,{"d":2,"e":3},30],"f":"\u00e9"},"g/h":null,"é":[]}"#;

    fn project(fields: &str) -> String {
        let fields = Fields::parse([fields]).unwrap();
        String::from_utf8(fields.project(LINE.as_bytes())).unwrap()
    }

    #[test]
    fn only_what_is_wanted_is_kept_in_its_place() {
        let received = r#"{"_received":{"at":"x","id":"y"}"#;
        for (fields, rest) in [
            ("/a", r#","a":1}"#),
            ("/b/c/1/d,/a", r#","a":1,"b":{"c":[{"d":2}]}}"#),
            ("/b/c/0,/b/c/2", r#","b":{"c":[10,30]}}"#),
            (
                "/b/f,/b",
                r#","b":{"c":[10,{"d":2,"e":3},30],"f":"\u00e9"}}"#,
            ),
            (
                "/b,/b/f",
                r#","b":{"c":[10,{"d":2,"e":3},30],"f":"\u00e9"}}"#,
            ),
            ("/g~1h,/é", r#","g/h":null,"é":[]}"#),
            ("/nothing,/a/x", "}"),
            ("/b/nothing", r#","b":{}}"#),
            ("/_received/at", "}"),
        ] {
            assert_eq!(project(fields), format!("{received}{rest}"), "{fields}");
        }
        assert_eq!(Fields::default().project(LINE.as_bytes()), LINE.as_bytes());
    }

    #[test]
    fn what_is_no_pointer_is_shown() {
        for text in ["a", "", "/a,b", "/~2"] {
            assert!(Fields::parse([text]).is_err(), "{text}");
        }
        assert!(Fields::parse(vec!["/a"; MAX_FIELDS + 1]).is_err());
    }
}
