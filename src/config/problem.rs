//! The problems of a configuration, and remarks about a valid one, shown with the lines in which they are.

use std::io::{self, IsTerminal};
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::secrets::Secrets;
use super::sources::{SourceFile, SourceTexts};
use crate::model::text::abridge;

/// All problems of a configuration.
///
/// The text shows each problem with file, line, column and source line, in the order of the file, and then the number of
/// problems.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.render(false))]
pub struct ConfigErrors(ProblemList);

/// What an operator should know about a valid configuration: warnings, and notes of what was not checked.
///
/// The text shows each as [`ConfigErrors`] does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remarks(ProblemList);

/// Problems with the texts in which they are, without secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ProblemList {
    sources: SourceTexts,
    problems: Vec<Problem>,
}

/// How much a problem matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something could not be checked.
    Note,
    /// The configuration can be used, but probably does something else than meant.
    Warning,
    /// The configuration cannot be used.
    Error,
}

/// One problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How much it matters.
    pub severity: Severity,
    /// The bytes of the file that are wrong; `None` if the problem is with the whole file. The texts of included files follow
    /// that of the main file, each after a line break.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What to write instead, if it can be guessed.
    pub hint: Option<String>,
    /// A related place in the file, and its label.
    pub related: Option<(Range<usize>, String)>,
}

impl Problem {
    /// A problem with the file as a whole.
    pub(super) fn whole(message: impl Into<String>) -> Problem {
        Problem { severity: Severity::Error, span: None, message: message.into(), hint: None, related: None }
    }

    /// A problem at these bytes of the file.
    pub(super) fn at(span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem { span: Some(span), ..Problem::whole(message) }
    }

    /// A path that is mounted twice.
    pub(super) fn duplicate_path(path: &str, span: Range<usize>, first: Range<usize>) -> Problem {
        Problem::at(span, format!("duplicate path `{}`", abridge(path))).related(first, "first mounted here")
    }

    /// The same as a warning.
    pub(super) fn warning(self) -> Problem {
        Problem { severity: Severity::Warning, ..self }
    }

    /// The same as a note.
    pub(super) fn note(self) -> Problem {
        Problem { severity: Severity::Note, ..self }
    }

    /// Whether the configuration cannot be used.
    pub(super) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Adds a related place.
    pub(super) fn related(self, span: Range<usize>, label: &str) -> Problem {
        Problem { related: Some((span, label.to_owned())), ..self }
    }

    /// Adds a hint.
    pub(super) fn hint(self, hint: impl Into<String>) -> Problem {
        Problem { hint: Some(hint.into()), ..self }
    }
}

/// How many of these problems are errors.
pub(super) fn count_errors(problems: &[Problem]) -> usize {
    problems.iter().filter(|problem| problem.is_error()).count()
}

/// Whether a stream is written in colour: if it is a terminal, and the environment does not say `NO_COLOR`
/// (<https://no-color.org>) or that the terminal is a dumb one.
pub(crate) fn in_colour(is_terminal: bool) -> bool {
    let says_no = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    is_terminal && !says_no("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

impl ConfigErrors {
    /// Secrets in the source, and the texts in `hidden`, are hidden in its lines and in the messages.
    pub(super) fn new(sources: SourceTexts, problems: Vec<Problem>, hidden: &[String]) -> ConfigErrors {
        ConfigErrors(ProblemList::new(sources, problems, hidden))
    }

    /// The problems, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// The text for standard error: in colour if that is a terminal and the environment does not say `NO_COLOR`.
    pub fn for_terminal(&self) -> String {
        self.render(in_colour(io::stderr().is_terminal()))
    }

    /// The text, in colour or without.
    pub fn render(&self, colour: bool) -> String {
        let problems = &self.0.problems;
        let counted = |severity: Severity, one: &str| {
            let count = problems.iter().filter(|problem| problem.severity == severity).count();
            (count > 0).then(|| format!("{count} {one}{}", if count == 1 { "" } else { "s" }))
        };
        let counts =
            [counted(Severity::Error, "error"), counted(Severity::Warning, "warning"), counted(Severity::Note, "note")];
        let counts: Vec<String> = counts.into_iter().flatten().collect();
        format!("{}{} in {}", self.0.render(colour), counts.join(", "), self.0.name())
    }
}

impl Remarks {
    pub(super) fn new(sources: SourceTexts, problems: Vec<Problem>, hidden: &[String]) -> Remarks {
        Remarks(ProblemList::new(sources, problems, hidden))
    }

    /// The remarks, in the order of the file. None of them is an error.
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// The text for standard error: in colour if that is a terminal and the environment does not say `NO_COLOR`.
    pub fn for_terminal(&self) -> String {
        self.render(in_colour(io::stderr().is_terminal()))
    }

    /// The text, in colour or without; empty if there are no remarks.
    pub fn render(&self, colour: bool) -> String {
        self.0.render(colour).trim_end().to_owned()
    }

    /// A line for each, with the place in the file.
    pub fn lines(&self) -> impl Iterator<Item = (Severity, String)> {
        self.0.problems.iter().map(|problem| (problem.severity, self.0.line(problem)))
    }
}

impl ProblemList {
    fn new(sources: SourceTexts, mut problems: Vec<Problem>, hidden: &[String]) -> ProblemList {
        let mut secrets: Vec<_> = sources.files().iter().map(|file| Secrets::find(sources.text_of(file))).collect();
        let texts: Vec<_> = secrets.iter().map(|secrets| secrets.source().to_owned()).collect();
        secrets.push(Secrets::of(hidden));
        let hide =
            |text: &str| secrets.iter().fold(text.to_owned(), |text, secrets| secrets.hide_in(&text).into_owned());
        for problem in &mut problems {
            problem.message = hide(&problem.message);
            problem.hint = problem.hint.as_deref().map(hide);
        }
        let sources = sources.with_text(texts.join("\n"));
        problems.sort_by_key(|problem| problem.span.as_ref().map(|span| (span.start, span.end)));
        // A problem in an inherited table is found once for each group.
        problems.dedup();
        ProblemList { sources, problems }
    }

    /// The name of the main file.
    fn name(&self) -> &str {
        self.sources.files().first().map(|file| file.name.as_str()).unwrap_or_default()
    }

    fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for problem in &self.problems {
            text.push_str(renderer.render(&[self.report(problem)]).trim_end());
            text.push_str("\n\n");
        }
        text
    }

    /// A problem with its place, on one line.
    fn line(&self, problem: &Problem) -> String {
        let place = problem.span.as_ref().and_then(|span| {
            let file = self.sources.file_at(span)?;
            let before = self.sources.text_of(file).get(..span.start.saturating_sub(file.range.start))?;
            Some(format!("{}:{}: ", file.name, 1 + before.matches('\n').count()))
        });
        format!("{}{}", place.unwrap_or_default(), problem.message)
    }

    fn report<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let level = match problem.severity {
            Severity::Note => Level::NOTE,
            Severity::Warning => Level::WARNING,
            Severity::Error => Level::ERROR,
        };
        let title = level.primary_title(problem.message.as_str());
        let mut group = Group::with_title(title);
        if let Some(span) = &problem.span {
            let primary = (AnnotationKind::Primary, span, None);
            let related =
                problem.related.iter().map(|(span, label)| (AnnotationKind::Context, span, Some(label.as_str())));
            let (file, mut places) = (self.sources.file_at(span), vec![primary]);
            let (same, other): (Vec<_>, Vec<_>) = related.partition(|(_, span, _)| self.sources.file_at(span) == file);
            places.extend(same);
            group = self.add_snippet(group, file, &places);
            for place in other {
                group = self.add_snippet(group, self.sources.file_at(place.1), &[place]);
            }
        }
        match &problem.hint {
            Some(hint) => group.element(Level::HELP.message(hint.as_str())),
            None => group,
        }
    }

    /// Adds the lines of a file in which these places are.
    fn add_snippet<'a>(&'a self, group: Group<'a>, file: Option<&'a SourceFile>, places: &[Place<'a>]) -> Group<'a> {
        let Some(file) = file else { return group };
        let (text, start) = (self.sources.text_of(file), file.range.start);
        let in_file =
            |span: &Range<usize>| first_line(text, &(span.start.saturating_sub(start)..span.end.saturating_sub(start)));
        let spans: Vec<_> = places.iter().map(|(_, span, _)| in_file(span)).collect();
        let (window, line) = window(text, spans.iter());
        let annotations = places.iter().zip(&spans).map(|((kind, _, label), span)| {
            kind.span(span.start - window.start..span.end - window.start).label(*label)
        });
        let lines = text.get(window.clone()).unwrap_or_default();
        let snippet = Snippet::source(lines).path(file.name.as_str()).line_start(line);
        group.element(snippet.annotations(annotations.collect::<Vec<_>>()))
    }
}

/// A place in the text of all files, and its label.
type Place<'a> = (AnnotationKind, &'a Range<usize>, Option<&'a str>);

/// The part of a span on its first line, clamped to the source and to character boundaries.
fn first_line(source: &str, span: &Range<usize>) -> Range<usize> {
    let boundary = |at: usize| (0..=at.min(source.len())).rev().find(|at| source.is_char_boundary(*at)).unwrap_or(0);
    let start = boundary(span.start);
    let end = boundary(span.end).max(start);
    let line = source.get(start..end).and_then(|text| text.find(['\n', '\r']));
    start..line.map_or(end, |length| start + length)
}

/// The range of whole lines that contains all these spans, and the number of its first line.
fn window<'s>(source: &str, spans: impl Iterator<Item = &'s Range<usize>> + Clone) -> (Range<usize>, usize) {
    let start = spans.clone().map(|span| span.start).min().unwrap_or(0);
    let end = spans.map(|span| span.end).max().unwrap_or(0);
    let before = source.get(..start).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let end = source.get(end..).and_then(|after| after.find('\n')).map_or(source.len(), |at| end + at + 1);
    (start..end, 1 + before.matches('\n').count())
}
