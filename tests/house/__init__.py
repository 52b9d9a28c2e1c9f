"""The rules of the house, read from the syntax trees and enforced as tests."""
