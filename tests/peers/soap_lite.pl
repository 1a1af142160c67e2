# SOAP::Lite against the gateway: with a WSDL, and without one, in both versions of SOAP.

use strict;
use warnings;
use SOAP::Lite;

my $base = $ARGV[0];

sub check {
    my ($holds, $seen) = @_;
    die 'found ' . ($seen // 'nothing') . ' at line ' . (caller)[2] . "\n" unless $holds;
}

my $described = SOAP::Lite->service("$base/wheel/american?wsdl");
check($described->spin()->{color} =~ /^(GREEN|RED|BLACK)$/);
my @spins = $described->spinList(3);
check(@spins == 3, scalar @spins);

for my $version ('1.1', '1.2') {
    my $wheel = SOAP::Lite->soapversion($version)->proxy("$base/wheel/american")->default_ns('urn:croupier:wheel');
    check($wheel->call('spin')->result->{color} =~ /^(GREEN|RED|BLACK)$/);
    @spins = $wheel->call('spinList', SOAP::Data->name(spins => 3))->paramsall;
    check(@spins == 3, scalar @spins);
    my $refused = $wheel->call('spinList', SOAP::Data->name(spins => 1000000000));
    check($refused->fault);
    check($refused->faultcode =~ /:(Client|Sender)$/, $refused->faultcode) if $version eq '1.1';
    check($refused->faultstring =~ /`spins` is at most/, $refused->faultstring) if $version eq '1.1';

    my $every = SOAP::Lite->soapversion($version)->proxy("$base/every")->ns('urn:croupier:every', 'e');
    my $texts = $every->call('texts', SOAP::Data->name(text => '<&> "'), SOAP::Data->name(flag => 1),
        SOAP::Data->name(colour => 'RED'), SOAP::Data->name(letter => 'e'))->result;
    check($texts->{text} eq '<&> "' && $texts->{flag} eq 'true', $texts->{text});
    check($every->call('divide', SOAP::Data->name(arg1 => 1), SOAP::Data->name(arg2 => 4))->result == 0.25);
    my $failed = $every->call('limited', SOAP::Data->name(amount => 11));
    check($failed->fault);
    check($failed->faultstring eq '11 is more than 10', $failed->faultstring) if $version eq '1.1';
}
