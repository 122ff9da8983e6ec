//! `lastfd man` and `lastfd completions`: made from the definition of the command line, so
//! that they say what it does.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::{Cli, ManArgs};
use crate::failure::Failure;

/// Prints a completion script.
pub(crate) fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lastfd", &mut script);
    print(&script)
}

/// Prints a page, or writes them all.
pub(crate) fn man(args: &ManArgs) -> Result<ExitCode, Failure> {
    let mut lastfd = Cli::command();
    // Gives subcommands their whole names: lastfd-run.
    lastfd.build();
    if let Some(directory) = &args.dir {
        let failed = |source| Failure::WritePages {
            directory: directory.clone(),
            source,
        };
        std::fs::create_dir_all(directory).map_err(failed)?;
        for (path, page) in pages(&lastfd).map_err(failed)? {
            std::fs::write(directory.join(path), page).map_err(failed)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut shown = &lastfd;
    for name in &args.command {
        shown = shown.find_subcommand(name).ok_or_else(|| Failure::NoPage {
            name: args.command.join(" "),
            known: subcommands(&lastfd)
                .map(Command::get_name)
                .collect::<Vec<_>>()
                .join(", "),
        })?;
    }
    let rendered = page(shown).map_err(|source| Failure::System {
        doing: "make the page",
        source,
    })?;
    Ok(print(&rendered))
}

/// The page of a command and those of its own, each with its file's name.
fn pages(command: &Command) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let file = format!("{}.1", title(command));
    let mut pages = vec![(PathBuf::from(file), page(command)?)];
    for subcommand in subcommands(command) {
        pages.extend(self::pages(subcommand)?);
    }
    Ok(pages)
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone())
        .manual("lastfd")
        .render(&mut page)?;
    Ok(page)
}

fn title(command: &Command) -> String {
    command.get_display_name().unwrap_or("lastfd").to_owned()
}

fn subcommands(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set())
}

fn print(text: &[u8]) -> ExitCode {
    // Nobody reads on, as with `| head`.
    let _ = io::stdout().lock().write_all(text);
    ExitCode::SUCCESS
}
