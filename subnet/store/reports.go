package store

// DefaultMaxChallenges is how many challenges of one validator are kept: some days
// of one in four seconds. With a full sample of 50 miners they take about 600 MB.
const DefaultMaxChallenges = 100_000
