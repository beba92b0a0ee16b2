// Package audittest makes small runs for tests: real records, signed by real
// keys, with updates of random numbers instead of training. It measures nothing:
// losses and scores are made up, everything else follows the run's rules.
//
// Read it in this order: [Config] and [New] make a [Run]; its fields may be
// damaged before they are looked at; [Run.Resign] makes a record of other
// entries look sound; [Run.Serve] puts the run behind a transport server.
//
// A run is the same for the same Config. Rounds count from 0.
package audittest
