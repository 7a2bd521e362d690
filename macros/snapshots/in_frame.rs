// #[traced()]
// #[track_caller]
// fn first(list: &[u8]) -> Option<u8> {
//     let first = list.first()?;
//     return Some(*first);
// }
//
// adds 291 tokens

#[track_caller]
fn first(list: &[u8]) -> Option<u8> {
    let mut __traced_call = ::traced::__private::Call::inside(
        {
            static SITE: ::traced::__private::Callsite = ::traced::__private::Callsite::new(
                "first",
                ::traced::__private::SpanKind::Internal,
                1u32,
                &::traced::__private::Origin {
                    scope: "traced-macros",
                    version: "0.1.0",
                    module: ::traced::__private::module_path!(),
                    file: "src/lib.rs",
                },
            );
            &SITE
        },
        ::traced::__private::name_of(|| ()),
    );
    let __traced_value = '__traced: {
        if let ::traced::__private::Some(__traced_value) = ::traced::__private::None::<
            Option<u8>,
        > {
            break '__traced __traced_value;
        }
        match () {
            () => {
                let first = (match ::traced::__private::Attempt::branch(list.first()) {
                    ::traced::__private::ControlFlow::Continue(value) => value,
                    ::traced::__private::ControlFlow::Break(residual) => {
                        break '__traced ::traced::__private::Residual::from_residual(
                            residual,
                        );
                    }
                });
                break '__traced Some(*first);
            }
        }
    };
    ::traced::__private::probe(&__traced_value)
        .end(__traced_call, ::traced::__private::Verdict::Fault);
    __traced_value
}
