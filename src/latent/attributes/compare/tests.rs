use super::*;
use crate::latent::attributes::measure::split;
use crate::latent::latent_from_flat;
use crate::latent::temperature::sample;
use crate::latent::tests::tiny_shape;

/// Standard normal rows. `smile` moves number 3 (finest level) by 2; `mouth` goes along with it in four of
/// five rows and moves number 100 (coarsest level) by 3. `age`, a number, is number 120 and half unknown.
fn population(n: u32) -> (Vectors, [Labels; 3]) {
    let mut vectors = Vectors::new(&tiny_shape());
    let [mut smile, mut mouth, mut age] = [vec![], vec![], vec![]];
    for i in 0..n {
        let is_smiling = i % 2 == 0;
        let is_open = if i % 5 == 0 { !is_smiling } else { is_smiling };
        let mut row = sample(&tiny_shape(), 5, i);
        row.levels[0].data[3] += if is_smiling { 2.0 } else { 0.0 };
        row.levels[1].data[4] += if is_open { 3.0 } else { 0.0 };
        let sign = |yes: bool| Some(if yes { 1.0 } else { -1.0 });
        smile.push(sign(is_smiling));
        mouth.push(sign(is_open));
        age.push((i % 4 < 2).then(|| 40.0 + 10.0 * f64::from(row.levels[1].data[24])));
        vectors.push(&row).unwrap();
    }
    let labels = |name: &str, values, threshold, is_number| Labels {
        name: name.to_owned(),
        values,
        threshold,
        is_number,
    };
    let all = [
        labels("smile", smile, 0.0, false),
        labels("mouth", mouth, 0.0, false),
        labels("age", age, 40.0, true),
    ];
    (vectors, all)
}

fn flat(d: &Direction) -> Vec<f32> {
    flat_from_latent(&d.vector)
}

#[test]
fn labels_that_go_together_are_separated() {
    let (vectors, [smile, mouth, age]) = population(1600);
    let others = [&mouth, &age];
    let task = Task {
        vectors: &vectors,
        label: &smile,
        others: &others,
    };
    let rows: Vec<usize> = (0..1600).collect();
    let split = split(&rows, 0.3, 1);
    let mut asked = 0;
    let compared = task
        .compare(
            std::slice::from_ref(&split),
            &ApproachGrid::new(2),
            &mut || {
                asked += 1;
                true
            },
        )
        .unwrap();
    assert_eq!(compared.len(), asked);
    // Three differences with 4 weights each, 3 shrinkages, 3 weights.
    assert_eq!((asked, ApproachGrid::new(2).n_approaches()), (18, 18));
    let of = |method| {
        let plain =
            |c: &&Compared| c.approach.method == method && c.approach.level_weights.is_empty();
        compared.iter().find(plain).unwrap()
    };
    let (plain, balanced) = (of(Method::Difference), of(Method::Balanced));
    let adjusted = of(Method::Adjusted);
    // The plain difference moves the mouth by 3 * 0.6 of its 3: more than half a unit.
    assert!(plain.leakage.unwrap() > 0.4, "{plain:?}");
    assert!(balanced.leakage.unwrap() < 0.15, "{balanced:?}");
    assert!(adjusted.leakage.unwrap() < 0.15, "{adjusted:?}");
    // The plain measure does not see it, as the mouth goes along on the pictures judged on too.
    assert!(plain.auc > balanced.auc - 0.03, "{plain:?} {balanced:?}");
    assert!(
        balanced.balanced_auc > plain.balanced_auc + 0.01,
        "{plain:?} {balanced:?}"
    );

    let chosen = &compared[ranking(&compared)[0]];
    assert!(chosen.leakage.unwrap() < 0.2, "{chosen:?}");
    // The finest level carries the smile: weights that drop it cannot win.
    assert!(
        chosen
            .approach
            .level_weights
            .first()
            .is_none_or(|&w| w > 0.0),
        "{chosen:?}"
    );
    let found = flat(&task.direction(&split, &chosen.approach).unwrap());
    assert!(
        found[3] > 1.2 && found[100].abs() < 0.5,
        "{} {}",
        found[3],
        found[100]
    );
    let plain = flat(
        &task
            .direction(&split, &Approach::new(Method::Difference))
            .unwrap(),
    );
    assert!(plain[100] > 1.2, "{}", plain[100]);
}

#[test]
fn levels_can_be_left_out() {
    let (vectors, [smile, mouth, _]) = population(200);
    let others = [&smile];
    let task = Task {
        vectors: &vectors,
        label: &mouth,
        others: &others,
    };
    let split = split(&(0..200).collect::<Vec<_>>(), 0.4, 2);
    let approach = Approach {
        level_weights: vec![0.0, 1.0],
        ..Approach::new(Method::Classifier)
    };
    assert!(
        approach.text().ends_with("levels weighted 0 1"),
        "{}",
        approach.text()
    );
    let d = task.direction(&split, &approach).unwrap();
    assert!(d.vector.levels[0].data.iter().all(|&v| v == 0.0));
    assert_eq!(d.figures.method, approach.text());
}

#[test]
fn numbers_and_unknown_values_are_compared_as_well() {
    let (vectors, [smile, mouth, age]) = population(800);
    let others = [&smile, &mouth];
    let task = Task {
        vectors: &vectors,
        label: &age,
        others: &others,
    };
    let known: Vec<usize> = (0..800).filter(|&i| age.values[i].is_some()).collect();
    let split = split(&known, 0.3, 1);
    let compared = task
        .compare(
            std::slice::from_ref(&split),
            &ApproachGrid::new(2),
            &mut || true,
        )
        .unwrap();
    let chosen = &compared[ranking(&compared)[0]];
    let d = task.direction(&split, &chosen.approach).unwrap();
    assert!(
        d.figures.auc.unwrap() > 0.85 && d.figures.correlation.unwrap() > 0.7,
        "{:?}",
        d.figures
    );
    // Stopped at once there is nothing to choose from.
    assert!(
        task.compare(
            std::slice::from_ref(&split),
            &ApproachGrid::new(2),
            &mut || false
        )
        .is_err()
    );
    let mut left = 3;
    let few = task.compare(
        std::slice::from_ref(&split),
        &ApproachGrid::new(2),
        &mut || {
            left -= 1;
            left >= 0
        },
    );
    assert_eq!(few.unwrap().len(), 3);
}

#[test]
fn labels_without_both_sides_are_refused() {
    let (vectors, [smile, mouth, _]) = population(20);
    let same = Labels {
        values: vec![Some(1.0); 20],
        ..smile
    };
    let others = [&mouth];
    let task = Task {
        vectors: &vectors,
        label: &same,
        others: &others,
    };
    let split = split(&(0..20).collect::<Vec<_>>(), 0.3, 1);
    assert!(
        task.compare(
            std::slice::from_ref(&split),
            &ApproachGrid::new(2),
            &mut || true
        )
        .is_err()
    );
    // A label that another determines has no effect of its own.
    let others = [&mouth];
    let task = Task {
        label: &mouth,
        others: &others,
        ..task
    };
    let error = task
        .raw(&split.train, &Approach::new(Method::Adjusted))
        .unwrap_err();
    assert!(error.to_string().contains("determine"), "{error}");
}

#[test]
fn of_ways_that_do_about_as_well_the_one_that_leaks_least_is_first() {
    let one = |balanced_auc, leakage| Compared {
        approach: Approach::new(Method::Difference),
        auc: 0.5,
        balanced_auc,
        leakage: Some(leakage),
        relative_length: 0.1,
        finite: None,
    };
    let all = [one(0.7, 0.0), one(0.905, 0.5), one(0.9, 0.1), one(0.8, 0.0)];
    assert_eq!(ranking(&all), [2, 1, 3, 0]);
    assert!(ranking(&[]).is_empty());
}

#[test]
fn norms_of_what_is_edited() {
    let shape = tiny_shape();
    let mut vectors = Vectors::new(&shape);
    let mut row = Latent::zeros(&shape);
    row.levels[0].data[0] = 3.0;
    vectors.push(&row).unwrap();
    let mut v = vec![0.0; 192];
    v[1] = 2.0;
    let direction = Direction {
        name: "d".into(),
        vector: latent_from_flat(&shape, &v).unwrap(),
        center: 0.0,
        range: [-1.0, 1.0],
        figures: Default::default(),
    };
    // |(3, 4)| / |(3, 0)|
    let found = relative_norm(&vectors, &[0], &direction, 2.0).unwrap();
    assert!((found - 5.0 / 3.0).abs() < 1e-6);
    assert_eq!(relative_norm(&vectors, &[], &direction, 2.0), None);
}

#[test]
fn measures_are_learnt_by_their_rank() {
    let label = Labels {
        name: "age".into(),
        values: vec![Some(5.0), None, Some(90.0), Some(5.0), Some(7.0)],
        threshold: 6.0,
        is_number: true,
    };
    let all = [0, 1, 2, 3, 4];
    // Of four known values: two share the middle of the first half, 7 and 90 are a quarter apart.
    assert_eq!(label.targets(&all), [0.25, 0.0, 0.875, 0.25, 0.625]);
    // Only the rows that are learnt from have a say.
    assert_eq!(label.targets(&[2, 4]), [0.0, 0.0, 0.75, 0.0, 0.25]);
    let yes_or_no = Labels {
        is_number: false,
        ..label
    };
    assert_eq!(yes_or_no.targets(&all), yes_or_no.numbers());
}

#[test]
fn figures_are_averages_over_the_splits() {
    let (vectors, [smile, mouth, _]) = population(300);
    let others = [&mouth];
    let task = Task {
        vectors: &vectors,
        label: &smile,
        others: &others,
    };
    let rows: Vec<usize> = (0..300).collect();
    let splits = [split(&rows, 0.3, 1), split(&rows, 0.3, 2)];
    let grid = ApproachGrid::new(2);
    let of = |splits: &[Holdout]| task.compare(splits, &grid, &mut || true).unwrap()[0].clone();
    let (first, second, both) = (of(&splits[..1]), of(&splits[1..]), of(&splits));
    assert_ne!(first.auc, second.auc);
    assert!((both.auc - (first.auc + second.auc) / 2.0).abs() < 1e-6);
    assert!((both.balanced_auc - (first.balanced_auc + second.balanced_auc) / 2.0).abs() < 1e-6);
    assert!(task.compare(&[], &grid, &mut || true).is_err());
}

#[test]
fn the_grid_weakens_finer_levels() {
    let weights = ApproachGrid::new(4).level_weights;
    assert!(
        weights.contains(&vec![0.125, 0.25, 0.5, 1.0]),
        "{weights:?}"
    );
    assert!(weights.contains(&vec![0.0, 0.0, 1.0, 1.0]), "{weights:?}");
    let falls = |w: &Vec<f32>| w.windows(2).all(|pair| pair[0] <= pair[1]);
    assert!(weights.iter().all(falls), "{weights:?}");
    assert!(ApproachGrid::new(1).level_weights.is_empty());
}
