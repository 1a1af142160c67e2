//! The wheel on the page of its group: the geometry of the drawing, and the section with its template, script and style
//! sheet.
//!
//! Lengths are in units of which the radius of the wheel is 100; shares are parts of a whole turn.

use std::f64::consts::TAU;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;

use super::{Pocket, Pockets};
use crate::model::interface::PageSection;
use crate::model::text::shorten;

/// Where the coloured band is, its numbers, and the tray below it into which the ball falls.
const OUTER: f64 = 92.0;
const INNER: f64 = 74.0;
const TRAY: f64 = 54.0;

/// Labels are no larger than this, and left out where they would be smaller than that.
const LARGEST: f64 = 9.0;
const SMALLEST: f64 = 2.2;

/// How wide a sector is in the histogram, as long as the whole is no narrower and no wider than these.
const PART: f64 = 10.0;
const NARROWEST: f64 = 300.0;
const WIDEST: f64 = 1000.0;

/// The colours that the style sheet knows; any other is shown as grey.
const COLORS: [&str; 9] = ["red", "black", "green", "blue", "yellow", "orange", "purple", "white", "gray"];

/// One sector of the wheel.
struct Sector {
    label: String,
    /// The colour in one English word.
    color: String,
    /// The probability that the ball lands here, from 0 to 1.
    share: f64,
}

/// The section that shows the wheel and spins it.
pub(super) fn section(pockets: &Pockets) -> PageSection {
    let sectors = sectors(pockets);
    let labels: Vec<_> = sectors.iter().map(|sector| &sector.label).collect();
    PageSection {
        template: include_str!("page/section.html"),
        script: include_str!("page/section.js"),
        style: include_str!("page/section.css"),
        // Texts and numbers always have a form in JSON.
        data: serde_json::to_value(Drawing::new(&sectors)).unwrap_or_default(),
        script_data: json!({"pick": "spin", "list": "spinList", "labels": labels}),
    }
}

/// The pockets in their order around the wheel.
fn sectors(pockets: &Pockets) -> Vec<Sector> {
    let whole: f64 = pockets.weights().iter().copied().map(f64::from).sum();
    let sector = |(pocket, weight): (&Pocket, &u32)| Sector {
        label: pocket.number.clone().into_owned(),
        color: english(&pocket.color),
        share: f64::from(*weight) / whole,
    };
    pockets.iter().zip(pockets.weights()).map(sector).collect()
}

/// The colour of a pocket in English and in lower case, whatever the language of the wheel.
fn english(color: &str) -> String {
    match color.to_lowercase().as_str() {
        "rouge" => "red",
        "noir" => "black",
        "vert" => "green",
        other => other,
    }
    .to_owned()
}

/// A wheel, ready to be drawn.
#[derive(Serialize)]
struct Drawing {
    sectors: Vec<Slice>,
    /// The width of the histogram, of which each sector has its part.
    width: f64,
    /// The width of a sector in the histogram.
    part: f64,
}

#[derive(Serialize)]
struct Slice {
    label: String,
    color: &'static str,
    share: f64,
    /// The middle of the sector, in degrees clockwise from the top.
    at: f64,
    /// The coloured band with the label.
    band: String,
    /// The darker part nearer to the middle.
    tray: String,
    /// The label's size; none where there is no room for it.
    size: Option<f64>,
    /// Its label, or the beginning of a long one.
    short: String,
    /// Where its part of the histogram begins.
    x: f64,
}

impl Drawing {
    fn new(sectors: &[Sector]) -> Drawing {
        let mut start = -sectors.first().map(|first| first.share / 2.0).unwrap_or_default();
        let count = sectors.len().max(1) as f64;
        let width = (count * PART).clamp(NARROWEST, WIDEST);
        let part = rounded(width / count);
        let slices = sectors.iter().enumerate().map(|(index, sector)| {
            let slice = slice(sector, start, rounded(part * index as f64));
            start += sector.share;
            slice
        });
        Drawing { sectors: slices.collect(), width, part }
    }
}

/// A sector that begins at this share of a whole turn, the first one's middle being at the top.
fn slice(sector: &Sector, start: f64, x: f64) -> Slice {
    let share = sector.share.clamp(0.0, 1.0);
    let middle = start + share / 2.0;
    Slice {
        label: sector.label.clone(),
        color: COLORS.into_iter().find(|color| *color == sector.color).unwrap_or("gray"),
        share,
        at: rounded(middle * 360.0),
        band: annulus(start, share, OUTER, INNER),
        tray: annulus(start, share, INNER, TRAY),
        size: label_size(&sector.label, share),
        short: shorten(&sector.label, 8).into_owned(),
        x,
    }
}

/// As large as the sector's width and the band's depth allow.
fn label_size(label: &str, share: f64) -> Option<f64> {
    let across = share * TAU * INNER * 0.95;
    let letters = label.chars().count().max(2) as f64;
    let size = (across / (letters * 0.72)).min(LARGEST);
    (size >= SMALLEST).then(|| rounded(size))
}

/// The path around a part of a ring between two radii, as SVG has it.
fn annulus(start: f64, share: f64, outer: f64, inner: f64) -> String {
    // A whole turn would end where it begins, and an arc would not be drawn.
    let end = start + share.min(0.9999);
    let large = u8::from(share > 0.5);
    let point = |turn: f64, radius: f64| {
        let (sine, cosine) = (turn * TAU).sin_cos();
        format!("{} {}", rounded(radius * sine), rounded(-radius * cosine))
    };
    let mut path = String::new();
    // Writing to a text cannot fail.
    let _ = write!(path, "M{}A{outer} {outer} 0 {large} 1 {}", point(start, outer), point(end, outer));
    let _ = write!(path, "L{}A{inner} {inner} 0 {large} 0 {}Z", point(end, inner), point(start, inner));
    path
}

/// To a hundredth, and without a sign before zero.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::wheel::{Family, Wheel as _};

    fn drawing(shares: &[f64]) -> Drawing {
        let sector =
            |(at, share): (usize, &f64)| Sector { label: at.to_string(), color: "red;}".into(), share: *share };
        Drawing::new(&shares.iter().enumerate().map(sector).collect::<Vec<_>>())
    }

    #[test]
    fn the_section_has_the_pockets_in_their_order_with_their_chances() {
        let first = |family: Family, count: usize| {
            let sectors = sectors(family.pockets());
            sectors.into_iter().take(count).map(|sector| (sector.label, sector.color)).collect::<Vec<_>>()
        };
        let expected = [("0", "green"), ("28", "black"), ("9", "red")];
        assert_eq!(first(Family::American, 3), expected.map(|(label, color)| (label.to_owned(), color.to_owned())));
        assert_eq!(first(Family::French, 2)[1].1, "red");
        assert!(sectors(Family::American.pockets()).iter().all(|sector| (sector.share - 1.0 / 38.0).abs() < 1e-12));
    }

    #[test]
    fn the_first_sector_is_at_the_top_and_the_others_follow_clockwise() {
        let drawing = drawing(&[0.5, 0.25, 0.25]);
        assert_eq!(drawing.sectors.iter().map(|slice| slice.at).collect::<Vec<_>>(), [0.0, 135.0, 225.0]);
        assert_eq!(drawing.sectors[1].band, "M92 0A92 92 0 0 1 0 92L0 74A74 74 0 0 0 74 0Z");
        assert!(drawing.sectors.iter().all(|slice| slice.color == "gray" && slice.size == Some(LARGEST)));
    }

    #[test]
    fn any_number_of_sectors_can_be_drawn() {
        assert!(drawing(&[1.0]).sectors[0].band.contains(" 0 1 1 "));
        assert!(drawing(&[0.001; 1000]).sectors.iter().all(|slice| slice.size.is_none()));
        assert!(drawing(&[]).sectors.is_empty());
        assert!(!drawing(&[f64::NAN]).sectors[0].label.is_empty());
    }
}
