//! The shapes of all that the services of this crate take and answer.
use croupier::demo::diagnostics;
use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::model::shape::{Field, Shape, Shapes};
use croupier::service::RpcService;

/// All shapes within one, itself included.
fn with_timeout<'s>(shape: &'s Shape, to: &mut Vec<&'s Shape>) {
    to.push(shape);
    let fields = match shape {
        Shape::Optional(inner) | Shape::List(inner) => return with_timeout(inner, to),
        Shape::Tuple(fields) => fields,
        Shape::Record(record) => {
            if let Some(further) = &record.further {
                with_timeout(further, to);
            }
            &record.fields
        }
        _ => return,
    };
    fields.iter().for_each(|field| with_timeout(&field.shape, to));
}

fn all(shapes: &Shapes) -> Vec<&Shape> {
    let mut found = Vec::new();
    for method in shapes.methods() {
        method.params.iter().for_each(|field| with_timeout(&field.shape, &mut found));
        with_timeout(&method.result, &mut found);
    }
    shapes.definitions().iter().for_each(|definition| with_timeout(&definition.shape, &mut found));
    found
}

fn names(fields: &[Field]) -> Vec<&str> {
    fields.iter().map(|field| field.name.as_str()).collect()
}

#[test]
fn a_wheel_takes_counts_and_answers_pockets() {
    let wheel = WheelTable::new(Family::American, Chance::seeded(7)).service().unwrap();
    let shapes = Shapes::of(&wheel.interface());
    let result = |name| shapes.follow(&shapes.method(name).unwrap().result);
    let Shape::Tuple(pocket) = result("spin") else { panic!("a pocket is a tuple") };
    assert_eq!(names(pocket), ["number", "color", "parity", "range"]);
    for list in ["spinList", "pockets"] {
        let Shape::List(item) = result(list) else { panic!("{list} answers a list") };
        assert_eq!(shapes.follow(item), result("spin"));
    }
    let Shape::Record(counts) = result("spinCounts") else { panic!("counts are a map") };
    assert!(counts.fields.is_empty() && matches!(counts.further.as_deref(), Some(Shape::Int(_))));
    assert!(!all(&shapes).contains(&&Shape::Any), "nothing of a wheel is free-form");
    let spins = &shapes.method("spinList").unwrap().params[0];
    assert_eq!((spins.name.as_str(), spins.may_be_absent(), &spins.default), ("spins", true, &Some(1.into())));
}

#[test]
fn only_what_takes_any_value_is_free_form() {
    let service = diagnostics::diagnostics().unwrap();
    let shapes = Shapes::of(&service.interface());
    for shape in all(&shapes) {
        assert!(!matches!(shape, Shape::Named(at) if shapes.definitions().get(*at).is_none()));
    }
    let free = shapes.methods().iter().filter(|method| {
        let mut found = Vec::new();
        method.params.iter().for_each(|field| with_timeout(&field.shape, &mut found));
        found.contains(&&Shape::Any)
    });
    let free: Vec<_> = free.map(|method| method.name.as_str()).collect();
    assert_eq!(
        free,
        [
            "validator1.echoStructTest",
            "interopEchoTests.echoValue",
            "interopEchoTests.echoStruct",
            "interopEchoTests.echoStructArray",
            "count",
            "echo",
        ]
    );
    assert_eq!(shapes.methods().len(), service.interface().methods.len());
}
