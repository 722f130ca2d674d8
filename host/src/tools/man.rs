//! `man`: the manual as roff.

use super::{End, ToolError, output};
use crate::cli::{NAME, parser};
use crate::config::ConfigError;

/// The tool.
#[derive(Debug)]
pub struct Man {
    page: Box<clap::Command>,
}

impl Man {
    /// The page of a command, or of the whole.
    pub(crate) fn of(name: Option<String>) -> Result<Man, ConfigError> {
        let mut whole = parser();
        whole.build();
        let Some(name) = name else {
            return Ok(Man {
                page: Box::new(whole),
            });
        };
        match whole.find_subcommand(&name) {
            Some(command) => Ok(Man {
                page: Box::new(command.clone()),
            }),
            None => {
                let names: Vec<_> = whole
                    .get_subcommands()
                    .map(clap::Command::get_name)
                    .collect();
                Err(format!(
                    "there is no command {name:?}; there are {}",
                    names.join(", ")
                )
                .into())
            }
        }
    }

    pub(super) fn run(self) -> Result<End, ToolError> {
        output::print(&self.roff()?)?;
        Ok(End::Well)
    }

    fn roff(self) -> Result<String, ToolError> {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(*self.page)
            .source(format!("{NAME} {}", env!("CARGO_PKG_VERSION")))
            .render(&mut page);
        rendered.map_err(|error| ToolError::Failed(error.to_string()))?;
        Ok(String::from_utf8_lossy(&page).into_owned())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_those_of_its_commands_name_their_options() {
        let whole = Man::of(None).unwrap().roff().unwrap();
        assert!(whole.contains("flush\\-interval"), "{whole}");
        let page = Man::of(Some("post".to_owned())).unwrap().roff().unwrap();
        assert!(page.contains("netwatch\\-server\\-post"), "{page}");
        assert!(page.contains("patience"), "{page}");
        let error = Man::of(Some("pots".to_owned())).unwrap_err();
        assert!(error.to_string().contains("verify"), "{error}");
    }
}
