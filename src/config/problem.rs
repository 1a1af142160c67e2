//! The problems of a configuration, shown with the lines in which they are.

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
pub struct ConfigErrors {
    sources: SourceTexts,
    problems: Vec<Problem>,
}

/// One problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
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
        Problem { span: None, message: message.into(), hint: None, related: None }
    }

    /// A problem at these bytes of the file.
    pub(super) fn at(span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem { span: Some(span), ..Problem::whole(message) }
    }

    /// A path that is mounted twice.
    pub(super) fn duplicate_path(path: &str, span: Range<usize>, first: Range<usize>) -> Problem {
        Problem::at(span, format!("duplicate path `{}`", abridge(path))).related(first, "first mounted here")
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

impl ConfigErrors {
    /// Secrets in the source are hidden in its lines and in the messages.
    pub(super) fn new(sources: SourceTexts, mut problems: Vec<Problem>) -> ConfigErrors {
        let secrets: Vec<_> = sources.files().iter().map(|file| Secrets::find(sources.text_of(file))).collect();
        let hide =
            |text: &str| secrets.iter().fold(text.to_owned(), |text, secrets| secrets.hide_in(&text).into_owned());
        for problem in &mut problems {
            problem.message = hide(&problem.message);
            problem.hint = problem.hint.as_deref().map(hide);
        }
        let hidden: Vec<_> = secrets.iter().map(Secrets::source).collect();
        let sources = sources.with_text(hidden.join("\n"));
        problems.sort_by_key(|problem| problem.span.as_ref().map(|span| (span.start, span.end)));
        // A problem in an inherited table is found once for each group.
        problems.dedup();
        ConfigErrors { sources, problems }
    }

    /// The problems, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The text for standard error: in colour if that is a terminal and the environment does not say `NO_COLOR`.
    pub fn for_terminal(&self) -> String {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        self.render(!plain && io::stderr().is_terminal())
    }

    /// The text, in colour or without.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for problem in &self.problems {
            text.push_str(renderer.render(&[self.report(problem)]).trim_end());
            text.push_str("\n\n");
        }
        let errors = if self.problems.len() == 1 { "error" } else { "errors" };
        let name = self.sources.files().first().map(|file| file.name.as_str()).unwrap_or_default();
        text + &format!("{} {errors} in {name}", self.problems.len())
    }

    fn report<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let title = Level::ERROR.primary_title(problem.message.as_str());
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
