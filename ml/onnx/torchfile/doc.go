// Package torchfile reads the weights in PyTorch's checkpoints (.pth, .pt,
// .ckpt), in the zip form of today and the older one:
//
//	weights, err := torchfile.ReadFile("model_epoch_best.pth")
//
// A checkpoint is a pickle: a program for a small stack machine that, in Python,
// may call anything. Here it can call nothing but the few functions that build
// tensors and dictionaries; every other class or function that it names becomes
// an empty object without behaviour. Its length and depth are checked before it
// runs, tensors must lie in the file and may not be larger than it, so that a
// hostile file costs a few times its size in memory and no more.
package torchfile
