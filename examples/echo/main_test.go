package main

// The whole subnet: it takes two epochs of 11 blocks until the miner is paid.
func Example() {
	main()
	// Output: the miner earns 100 % of the incentive
}
