use traced::testing::capture;
use traced::traced;

#[traced]
fn labelled(of: &[u64]) -> u64 {
    let found = 'search: {
        for id in of {
            if *id > 1 {
                break 'search Some(*id);
            }
        }
        None
    };
    'outer: for a in of {
        'inner: loop {
            if *a > 2 {
                break 'outer;
            }
            if *a == 2 {
                break 'inner;
            }
            continue 'outer;
        }
    }
    found.unwrap_or(0)
}

#[traced]
fn looped(mut of: u64) -> Result<u64, String> {
    loop {
        of = of.checked_sub(1).ok_or("below")?;
        if of == 5 {
            return Ok(of);
        }
        if of == 50 {
            break;
        }
    }
    while let Some(next) = of.checked_sub(1) {
        of = next;
    }
    Err("none".into())
}

#[traced]
async fn looped_async(of: &[u64]) -> Option<u64> {
    'all: loop {
        for id in of {
            std::future::ready(()).await;
            if *id > 1 {
                break 'all;
            }
            if *id > 2 {
                return None;
            }
        }
        return of.first().copied();
    }
    Some(*of.iter().max()?)
}

#[traced]
#[track_caller]
fn looped_tracked(of: &[u64]) -> Option<u64> {
    'all: loop {
        for id in of {
            let closure = || -> Option<u64> { Some(id.checked_sub(1)?) };
            if closure()? > 1 {
                break 'all;
            }
            if *id > 20 {
                return None;
            }
        }
        return Some('value: {
            if of.is_empty() {
                break 'value 0;
            }
            *of.first()?
        });
    }
    Some(*of.iter().max()?)
}

fn main() {
    let (_, trace) = capture(|| {
        assert_eq!(labelled(&[1, 2]), 2);
        assert_eq!(looped(10), Ok(5));
        assert_eq!(futures_executor::block_on(looped_async(&[1, 2])), Some(2));
        assert_eq!(looped_tracked(&[1, 2]), Some(1));
        assert_eq!(looped_tracked(&[0]), None);
        assert_eq!(looped_tracked(&[1, 9]), Some(9));
    });
    assert_eq!(trace.roots().len(), 6);
}
