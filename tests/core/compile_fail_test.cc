// Goal: taking one kind of number for another does not compile.
// Method: ask the compiler, for every misuse, whether the expression is valid; the same question about the
// intended use must be answered with yes, so that a misspelt question cannot pass.
#include <gtest/gtest.h>

#include <concepts>

#include "sealstream/core/ids.h"

namespace sealstream {
namespace {

template <class A, class B>
concept Comparable = requires(A a, B b) {
  a == b;
};
template <class A, class B>
concept Ordered = requires(A a, B b) {
  a < b;
};
template <class A, class B>
concept Assignable = requires(A a, B b) {
  a = b;
};
template <class A, class B>
concept HasDistance = requires(A a, B b) {
  distance(a, b);
};
template <class A>
concept Addable = requires(A a) {
  a + 1;
};
template <class A>
concept Incrementable = requires(A a) {
  ++a;
};

template <class A, class B>
constexpr bool kInterchangeable =
    Comparable<A, B> || Ordered<A, B> || Assignable<A, B> || HasDistance<A, B> || std::convertible_to<B, A> ||
    std::constructible_from<A, B>;

TEST(CompileFail, OneKindOfNumberIsNotAnother) {
  static_assert(!kInterchangeable<Offset, Seq>);
  static_assert(!kInterchangeable<Seq, Offset>);
  static_assert(!kInterchangeable<LogEpoch, OwnerEpoch>);
  static_assert(!kInterchangeable<Partition, Offset>);
  static_assert(kInterchangeable<Offset, Offset> && kInterchangeable<Seq, Seq>);
}

TEST(CompileFail, ABareNumberBecomesAnIdOnlyWhenNamed) {
  static_assert(!std::convertible_to<std::int64_t, Offset> && !std::convertible_to<Offset, std::int64_t>);
  static_assert(!Comparable<Offset, int> && !Assignable<Offset, int>);
  static_assert(std::constructible_from<Offset, std::int64_t>);
}

TEST(CompileFail, ArithmeticGoesThroughNextAndDistance) {
  static_assert(!Addable<Offset> && !Incrementable<Offset>);
  static_assert(Addable<int> && Incrementable<int>);
  static_assert(HasDistance<Offset, Offset>);
}

}  // namespace
}  // namespace sealstream
