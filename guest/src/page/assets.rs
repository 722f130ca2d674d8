//! What the page needs besides itself.

use crate::plot;
use twox_hash::XxHash3_64;

/// All of them.
pub const ASSETS: [Asset; 3] = [Asset::Style, Asset::Script, Asset::Icon];

/// A file of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asset {
    /// `/style.css`
    Style,
    /// `/page.js`
    Script,
    /// `/icon.svg`
    Icon,
}

impl Asset {
    /// Its path.
    pub fn path(self) -> &'static str {
        match self {
            Asset::Style => "/style.css",
            Asset::Script => "/page.js",
            Asset::Icon => "/icon.svg",
        }
    }

    /// The one at a path.
    pub fn at(path: &str) -> Option<Asset> {
        ASSETS.into_iter().find(|asset| asset.path() == path)
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Asset::Style => "text/css; charset=utf-8",
            Asset::Script => "text/javascript; charset=utf-8",
            Asset::Icon => "image/svg+xml",
        }
    }

    /// What is in it.
    pub fn content(self) -> String {
        match self {
            Asset::Style => [plot::STYLE, include_str!("page.css")].concat(),
            Asset::Script => include_str!("page.js").to_owned(),
            Asset::Icon => include_str!("icon.svg").to_owned(),
        }
    }

    /// Its URL from the page, which changes with its content, so that browsers may
    /// keep it.
    pub(super) fn url(self) -> String {
        let hash = XxHash3_64::oneshot(self.content().as_bytes());
        format!("{}?v={hash:x}", self.path().trim_start_matches('/'))
    }
}
