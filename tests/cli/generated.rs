//! The reference documentation is generated from the program, and is up to date.
//!
//! `UPDATE_GENERATED=1 cargo test --test cli generated` writes it.

use std::fmt::Write;
use std::path::Path;

use airlock::error::codes;
use airlock::ui::report::kind_name;

#[expect(clippy::disallowed_methods, reason = "tests are switched by a variable")]
fn check(name: &str, content: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, content).unwrap();
    }
    let committed = fs_err::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == content,
        "{name} is out of date: UPDATE_GENERATED=1 cargo test --test cli generated"
    );
}

/// The whole command line, each help with a fixed width.
fn command() -> clap::Command {
    let mut command = airlock::cli::command().term_width(100);
    command.build();
    command
}

/// Calls `each` for a command and all below it, except the generated `help`.
fn walk(command: &clap::Command, each: &mut dyn FnMut(&clap::Command)) {
    each(command);
    command.get_subcommands().filter(|below| below.get_name() != "help").for_each(|below| walk(below, each));
}

#[test]
fn the_command_line_reference_is_up_to_date() {
    let mut text = String::from(
        "# The command line\n\nWhat `airlock … --help` prints, for every command. The global options are listed \
         once, at the top.\n",
    );
    walk(&command(), &mut |command| {
        let mut command = command.clone().term_width(100);
        let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
        if name != "airlock" {
            command = command.mut_args(|argument| {
                let is_global = argument.is_global_set();
                argument.hide(is_global)
            });
        }
        let help = command.render_long_help().to_string();
        let help: Vec<&str> = help.trim().lines().map(str::trim_end).collect();
        let _ = write!(text, "\n## `{name}`\n\n```text\n{}\n```\n", help.join("\n"));
    });
    check("docs/cli.md", &text);
}

#[test]
fn the_manual_pages_are_up_to_date() {
    walk(&command(), &mut |command| {
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone()).render(&mut page).unwrap();
        let name = command.get_display_name().unwrap_or(command.get_name());
        check(&format!("docs/man/{name}.1"), &String::from_utf8(page).unwrap());
    });
}

#[test]
fn the_table_of_errors_is_up_to_date() {
    let mut text = String::from(
        "# Error codes\n\nEvery error begins with its code: `error[E0412]: …`. Codes never change their \
         meaning. The kind decides the exit status.\n\n| code | meaning | kind | exit status |\n|---|---|---|---|\n",
    );
    for code in codes::ALL {
        let kind = kind_name(code.kind);
        let exit = code.kind.exit_status();
        let _ = writeln!(text, "| {code} | {} | {kind} | {exit} |", code.summary);
    }
    check("docs/errors.md", &text);
}
