// Goal: a partition is read from its anchor on without a gap, or not at all.
// Method: the state machine alone, one delivery after the other.
#include "ingest/position.h"

#include <gtest/gtest.h>

namespace sealstream {
namespace {

const SourceDigest kDigest{1, 2, 3};
const SourceDigest kOtherDigest{9};

Claim fresh(std::int64_t next) { return {LogEpoch(0), OwnerEpoch(1), Offset(next), std::nullopt}; }
Claim anchored(std::int64_t next, std::int64_t last) {
  return {LogEpoch(0), OwnerEpoch(1), Offset(next), LastRecord{Offset(last), kDigest}};
}
Step arrives(Position& position, std::int64_t offset, const SourceDigest& digest = kDigest) {
  return position.record(Offset(offset), [&] { return digest; });
}
Extent extent(std::int64_t start, std::int64_t end) { return {Offset(start), Offset(end)}; }

TEST(Position, FreshPartitionTakesRecordsInOrder) {
  Position position(fresh(0));
  EXPECT_EQ(position.fetch_from(), Offset(0));
  EXPECT_EQ(arrives(position, 0), Step::take);
  EXPECT_EQ(arrives(position, 1), Step::take);
  EXPECT_EQ(position.next(), Offset(2));
}

TEST(Position, LowerOffsetsAreDropped) {
  Position position(fresh(5));
  EXPECT_EQ(arrives(position, 4), Step::drop);
  EXPECT_EQ(arrives(position, 5), Step::take);
  EXPECT_EQ(arrives(position, 5), Step::drop);
}

TEST(Position, AnchorWithItsDigestIsDroppedAndReadingGoesOn) {
  Position position(anchored(8, 7));
  EXPECT_EQ(position.fetch_from(), Offset(7));
  EXPECT_TRUE(position.verifying());
  EXPECT_EQ(arrives(position, 7), Step::drop);
  EXPECT_FALSE(position.verifying());
  EXPECT_EQ(arrives(position, 8), Step::take);
}

TEST(Position, AnchorWithAnotherDigestHalts) {
  Position position(anchored(8, 7));
  EXPECT_EQ(arrives(position, 7, kOtherDigest), Step::halt);
  EXPECT_EQ(position.cause(), HaltCause::not_same_log);
  EXPECT_EQ(arrives(position, 8), Step::drop) << "a halted partition takes nothing";
}

TEST(Position, ClaimThatSaysAnotherLogHaltsAtOnce) {
  Claim claim{LogEpoch(0), OwnerEpoch(2), Offset(10), std::nullopt};
  claim.another_log = true;
  Position position(claim);
  EXPECT_TRUE(position.halted());
  EXPECT_EQ(position.cause(), HaltCause::not_same_log);
  EXPECT_EQ(position.record(Offset(10), [] { return SourceDigest{}; }), Step::drop);
}

TEST(Position, AnotherLogHaltsOnceWhateverItsRecordsAre) {
  for (Position position : {Position(fresh(0)), Position(anchored(8, 7))}) {
    EXPECT_EQ(position.another_log(), Step::halt);
    EXPECT_EQ(position.cause(), HaltCause::not_same_log);
    EXPECT_EQ(position.another_log(), Step::drop);
  }
}

TEST(Position, MissingAnchorIsAskedForAndThenAcceptedAsUnverifiedWithinTheExtent) {
  Position position(anchored(8, 7));
  EXPECT_EQ(position.out_of_range(), Step::ask);
  EXPECT_EQ(position.answer(extent(8, 20)), Step::seek);
  EXPECT_EQ(position.fetch_from(), Offset(8));
  EXPECT_TRUE(position.take_unverified());
  EXPECT_FALSE(position.take_unverified());
  EXPECT_EQ(arrives(position, 8), Step::take);
}

TEST(Position, RetentionThatOvertookHaltsAndCountsWhatIsMissing) {
  Position position(anchored(8, 7));
  EXPECT_EQ(position.out_of_range(), Step::ask);
  EXPECT_EQ(position.answer(extent(11, 20)), Step::halt);
  EXPECT_EQ(position.cause(), HaltCause::retention_overrun);
  EXPECT_EQ(position.missed(), 3);
}

TEST(Position, LogThatEndsBeforeTheNextOffsetForLongIsNotTheSameLog) {
  Position position(anchored(8, 7));
  EXPECT_EQ(position.end(Offset(7)), Step::ask);
  for (int i = 1; i < 20; ++i) {
    EXPECT_EQ(position.answer(extent(0, 7)), Step::wait);
    position.verify_again(LastRecord{Offset(7), kDigest});
  }
  EXPECT_EQ(position.answer(extent(0, 7)), Step::halt);
  EXPECT_EQ(position.cause(), HaltCause::not_same_log);
}

TEST(Position, LogThatSeemedCutIsReadOnBehindItsLastRecord) {
  Position position(fresh(0));
  for (std::int64_t offset = 0; offset < 8; ++offset) EXPECT_EQ(arrives(position, offset), Step::take);
  EXPECT_EQ(position.out_of_range(), Step::ask);
  EXPECT_EQ(position.answer(extent(0, 3)), Step::wait);
  position.verify_again(LastRecord{Offset(7), kDigest});
  EXPECT_TRUE(position.verifying());
  EXPECT_EQ(position.answer(extent(0, 9)), Step::seek);
  EXPECT_EQ(position.fetch_from(), Offset(7));
  EXPECT_EQ(arrives(position, 7), Step::drop);
  EXPECT_EQ(arrives(position, 8), Step::take);
}

TEST(Position, LogThatWasCutAndGrewAgainIsNotTheSameLog) {
  Position position(fresh(0));
  for (std::int64_t offset = 0; offset < 8; ++offset) EXPECT_EQ(arrives(position, offset), Step::take);
  EXPECT_EQ(position.answer(extent(0, 3)), Step::wait);
  position.verify_again(LastRecord{Offset(7), kDigest});
  EXPECT_EQ(position.answer(extent(0, 9)), Step::seek);
  EXPECT_EQ(arrives(position, 7, kOtherDigest), Step::halt);
  EXPECT_EQ(position.cause(), HaltCause::not_same_log);
}

TEST(Position, LogThatWasCutBehindItsLastRecordAndGrewAgainIsNotTheSameLog) {
  Position position(fresh(5));
  EXPECT_EQ(arrives(position, 5), Step::take);
  EXPECT_EQ(position.end(Offset(10)), Step::take) << "aborted, and a marker";
  EXPECT_EQ(position.answer(extent(0, 7)), Step::wait);
  position.verify_again(LastRecord{Offset(5), kDigest});
  EXPECT_EQ(position.answer(extent(0, 15)), Step::seek);
  EXPECT_EQ(arrives(position, 5), Step::drop);
  EXPECT_EQ(arrives(position, 7), Step::halt) << "where nothing was";
  EXPECT_EQ(position.cause(), HaltCause::not_same_log);
}

TEST(Position, ANewClaimFindsARecordWhereNothingWas) {
  Position position(anchored(10, 5));
  EXPECT_EQ(arrives(position, 5), Step::drop);
  EXPECT_EQ(arrives(position, 9), Step::halt);
  EXPECT_EQ(position.cause(), HaltCause::not_same_log);
}

TEST(Position, WhatIsDeliveredAgainBehindTheAnchorIsDropped) {
  Position position(anchored(8, 7));
  EXPECT_EQ(arrives(position, 7), Step::drop);
  EXPECT_EQ(arrives(position, 8), Step::take);
  EXPECT_EQ(arrives(position, 9), Step::take);
  EXPECT_EQ(arrives(position, 8), Step::drop);
}

TEST(Position, DoubtsEndWhereTheLogIsAsExpected) {
  Position position(anchored(8, 7));
  for (int round = 0; round < 3; ++round) {
    for (int i = 1; i < 20; ++i) EXPECT_EQ(position.answer(extent(0, 7)), Step::wait);
    position.verify_again(LastRecord{Offset(7), kDigest});
    EXPECT_EQ(position.answer(extent(0, 9)), Step::seek);
    EXPECT_TRUE(position.verifying());
    EXPECT_EQ(arrives(position, 7), Step::drop);
    EXPECT_EQ(position.out_of_range(), Step::ask);
  }
}

TEST(Position, RecordBeyondAnAnchorThatTheLogStillHoldsIsNotBelievedAtOnce) {
  Position position(anchored(8, 7));
  EXPECT_EQ(arrives(position, 9), Step::ask);
  EXPECT_EQ(position.answer(extent(0, 20)), Step::seek);
  EXPECT_EQ(position.fetch_from(), Offset(7)) << "the anchor is asked for again";
  EXPECT_EQ(arrives(position, 7), Step::drop);
  EXPECT_EQ(arrives(position, 8), Step::take);
}

TEST(Position, AnchorThatNeverComesThoughTheLogBeginsBeforeItIsNotTheSameLog) {
  Position position(anchored(8, 7));
  for (int i = 1; i < 20; ++i) {
    EXPECT_EQ(arrives(position, 9), Step::ask);
    EXPECT_EQ(position.answer(extent(0, 20)), Step::seek);
    EXPECT_EQ(position.answer(extent(0, 20)), Step::seek);
    EXPECT_EQ(position.answer(extent(0, 20)), Step::wait);
    position.verify_again(LastRecord{Offset(7), kDigest});
  }
  EXPECT_EQ(position.answer(extent(0, 20)), Step::seek);
  EXPECT_EQ(position.answer(extent(0, 20)), Step::seek);
  EXPECT_EQ(position.answer(extent(0, 20)), Step::halt);
  EXPECT_EQ(position.cause(), HaltCause::not_same_log);
  EXPECT_FALSE(position.take_unverified());
}

TEST(Position, AnchorThatTheCleanerMayHaveTakenIsGivenUpAfterAFewTries) {
  Position position(anchored(8, 7), true);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(arrives(position, 9), Step::ask);
    EXPECT_EQ(position.answer(extent(0, 20)), Step::seek);
  }
  EXPECT_EQ(arrives(position, 9), Step::ask);
  EXPECT_EQ(position.answer(extent(0, 20)), Step::seek);
  EXPECT_EQ(position.fetch_from(), Offset(8));
  EXPECT_TRUE(position.take_unverified());
}

TEST(Position, FirstGapIsBelievedOnlyWhenItComesTwice) {
  Position position(fresh(5));
  EXPECT_EQ(arrives(position, 9), Step::seek);
  EXPECT_EQ(position.next(), Offset(5));
  EXPECT_EQ(arrives(position, 9), Step::take);
  EXPECT_EQ(position.next(), Offset(10));
}

TEST(Position, ARecordThatASeekHasOvertakenDoesNotConfirmAGap) {
  Position position(fresh(5));
  EXPECT_EQ(arrives(position, 6), Step::seek);
  EXPECT_EQ(arrives(position, 7), Step::seek) << "it was under way when the seek was asked for";
  EXPECT_EQ(arrives(position, 6), Step::seek);
  EXPECT_EQ(arrives(position, 6), Step::take);
  EXPECT_EQ(position.next(), Offset(7));
}

TEST(Position, AnEndThatMovesOnIsBelievedWhenItComesTwice) {
  Position position(fresh(5));
  EXPECT_EQ(position.end(Offset(8)), Step::seek);
  EXPECT_EQ(position.end(Offset(7)), Step::seek) << "an end never moves back";
  EXPECT_EQ(position.end(Offset(10)), Step::take);
  EXPECT_EQ(position.next(), Offset(10));
}

TEST(Position, ARecordDoesNotConfirmAnEnd) {
  Position position(fresh(5));
  EXPECT_EQ(position.end(Offset(7)), Step::seek);
  EXPECT_EQ(arrives(position, 9), Step::seek);
  EXPECT_EQ(arrives(position, 9), Step::take);
}

TEST(Position, GapAfterSettledReadingIsTaken) {
  Position position(fresh(5));
  EXPECT_EQ(arrives(position, 5), Step::take);
  EXPECT_EQ(arrives(position, 7), Step::take);
  EXPECT_EQ(position.next(), Offset(8));
}

TEST(Position, GapInACompactedTopicHalts) {
  Position position(fresh(5), true);
  EXPECT_EQ(arrives(position, 5), Step::take);
  EXPECT_EQ(arrives(position, 9), Step::halt);
  EXPECT_EQ(position.cause(), HaltCause::compacted);
  EXPECT_EQ(position.missed(), 3);
  EXPECT_EQ(position.next(), Offset(6));
}

TEST(Position, EndBeyondTheLastRecordMovesOn) {
  Position position(fresh(5));
  EXPECT_EQ(arrives(position, 5), Step::take);
  EXPECT_EQ(position.end(Offset(6)), Step::drop);
  EXPECT_EQ(position.end(Offset(8)), Step::take);
  EXPECT_EQ(position.next(), Offset(8));
}

TEST(Position, OutOfRangeWithinTheExtentVerifiesAgain) {
  Position position(fresh(5));
  EXPECT_EQ(arrives(position, 5), Step::take);
  EXPECT_EQ(position.out_of_range(), Step::ask);
  EXPECT_EQ(position.answer(extent(0, 10)), Step::wait) << "it was shorter a moment ago";
  position.verify_again(LastRecord{Offset(5), kDigest});
  EXPECT_EQ(position.answer(extent(0, 10)), Step::seek);
  EXPECT_EQ(position.fetch_from(), Offset(5));
  EXPECT_FALSE(position.take_unverified());
}

TEST(Position, OutOfRangeWithoutAnAnswerVerifiesAgain) {
  Position position(fresh(5));
  EXPECT_EQ(arrives(position, 5), Step::take);
  EXPECT_EQ(position.out_of_range(), Step::ask);
  EXPECT_EQ(position.no_answer(), Step::wait);
  position.verify_again(LastRecord{Offset(5), kDigest});
  EXPECT_EQ(position.no_answer(), Step::seek);
  EXPECT_EQ(position.fetch_from(), Offset(5));
}

TEST(Position, EndBetweenTheAnchorAndTheNextOffsetIsAskedFor) {
  Position position(anchored(12, 7));
  EXPECT_EQ(arrives(position, 7), Step::drop);
  EXPECT_EQ(position.end(Offset(8)), Step::ask);
  EXPECT_EQ(position.answer(extent(0, 8)), Step::wait);
}

TEST(Position, OutOfRangeWhereNoRecordWasEverTakenSeeksAgain) {
  Position position(fresh(5));
  EXPECT_EQ(position.out_of_range(), Step::ask);
  EXPECT_EQ(position.answer(extent(0, 10)), Step::wait);
  position.verify_again(std::nullopt);
  EXPECT_EQ(position.answer(extent(0, 10)), Step::seek);
  EXPECT_EQ(arrives(position, 5), Step::take);
}

TEST(Position, HaltSentenceNamesPlaceAndRemedy) {
  const std::string sentence = halt_sentence(HaltCause::create_time, {"t", Partition(3)}, Offset(42));
  EXPECT_NE(sentence.find("t/3 is halted at offset 42"), std::string::npos);
  EXPECT_NE(sentence.find("LogAppendTime"), std::string::npos);
  for (const HaltCause cause :
       {HaltCause::retention_overrun, HaltCause::not_same_log, HaltCause::compacted}) {
    EXPECT_TRUE(halt_sentence(cause, {"t", Partition(3)}, Offset(42))
                    .ends_with(": sealstream offsets reset t/3 --accept-loss REASON --execute"));
  }
}

}  // namespace
}  // namespace sealstream
