//! Independent pieces of work, dealt to threads.

use std::sync::atomic::{AtomicUsize, Ordering};

/// `work(0), .., work(n - 1)` in this order, on at most `threads` threads, the caller's among them. Each takes the next
/// piece that is left, so pieces may differ in size.
///
/// # Panics
/// With the panic of a piece, after all threads have ended.
pub fn in_parallel<T: Send>(n: usize, threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let take = || -> Vec<(usize, T)> {
        std::iter::from_fn(|| {
            let at = next.fetch_add(1, Ordering::Relaxed);
            (at < n).then(|| (at, work(at)))
        })
        .collect()
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(n)).map(|_| scope.spawn(take)).collect();
        let mut done = take();
        for other in others {
            match other.join() {
                Ok(part) => done.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|&(at, _)| at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_from_any_number_of_threads() {
        for (n, threads) in [(0, 3), (1, 3), (100, 0), (100, 1), (100, 7)] {
            let squares = in_parallel(n, threads, |at| at * at);
            assert_eq!(squares, (0..n).map(|at| at * at).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panic_reaches_the_caller() {
        let result = std::panic::catch_unwind(|| {
            in_parallel(8, 2, |at| assert!(at != 5, "piece {at}"));
        });
        let panic = result.unwrap_err();
        assert_eq!(
            panic.downcast_ref::<String>().map(String::as_str),
            Some("piece 5")
        );
    }
}
