<?php
// PHP's SoapClient against the gateway: with a WSDL in both styles and versions, and without one.

declare(strict_types=1);

$base = $argv[1];
const COLOURS = ['GREEN', 'RED', 'BLACK'];

function check(bool $holds, mixed $seen = null): void
{
    if (!$holds) {
        throw new RuntimeException('found ' . var_export($seen, true));
    }
}

/** @return SoapFault what a call was refused or failed with */
function fault(callable $call): SoapFault
{
    try {
        $answer = $call();
    } catch (SoapFault $fault) {
        return $fault;
    }
    throw new RuntimeException('answered ' . var_export($answer, true));
}

function client(string $url, int $version): SoapClient
{
    return new SoapClient($url, [
        'cache_wsdl' => WSDL_CACHE_NONE,
        'soap_version' => $version,
        'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
    ]);
}

function code(SoapFault $fault): string
{
    return substr(strrchr(':' . $fault->faultcode, ':'), 1);
}

/** In document style a call has one argument, which holds the parameters, and its answer one member, the result. */
function documented(string $base, string $query, int $version): void
{
    $wheel = client("$base/wheel/american?wsdl$query", $version);
    for ($count = 0; $count < 5; $count++) {
        $pocket = $wheel->spin()->result;
        check(in_array($pocket->color, COLOURS, true), $pocket);
    }
    check(count($wheel->spinList(['spins' => 3])->result) === 3);
    check(count($wheel->spinList()->result) === 1);
    check(count((array) ($wheel->spinList(['spins' => 0])->result ?? [])) === 0);
    check(array_sum(array_column($wheel->spinCounts(['spins' => 1000])->result->entry, 'value')) === 1000);
    $refused = fault(fn () => $wheel->spinList(['spins' => 1000000000]));
    check(code($refused) === ($version === SOAP_1_2 ? 'Sender' : 'Client'), $refused->faultcode);
    check(str_contains($refused->getMessage(), '`spins` is at most'), $refused->getMessage());

    $every = client("$base/every?wsdl$query", $version);
    $text = "<&>\"' ]]> żółć \u{1F3B2}";
    $texts = ['text' => $text, 'flag' => true, 'colour' => 'BLACK', 'letter' => 'é'];
    check((array) $every->texts($texts)->result === $texts);
    $numbers = [
        'tiny' => -128, 'byte' => 255, 'short' => -32768, 'int' => 100, 'count' => 4294967295,
        'large' => PHP_INT_MIN, 'huge' => PHP_INT_MAX, 'share' => 0.5, 'single' => 1.5,
    ];
    check((array) $every->numbers($numbers)->result == $numbers, $every->numbers($numbers));

    $some = $every->optional(['must' => 1])->result;
    check([$some->may ?? null, $some->otherwise, $some->point ?? null, $some->colour] === [null, 7, null, 'RED'], $some);
    $nil = $every->optional(['must' => 1, 'may' => null, 'point' => null])->result;
    check([$nil->may ?? null, $nil->point ?? null] === [null, null], $nil);
    $full = $every->optional(['must' => 1, 'may' => 2, 'point' => ['x' => 1, 'y' => 2, 'label' => 'p']])->result;
    check([$full->may, $full->point->x, $full->point->label] === [2, 1.0, 'p'], $full);

    $octets = implode('', array_map('chr', range(0, 255)));
    foreach (['2026-02-28T12:00:59', '2026-02-28T12:00:59.5+02:00'] as $when) {
        $moment = $every->moment(['when' => $when, 'data' => $octets])->result;
        check($moment->when === $when && $moment->data === $octets, $moment);
    }

    $lists = $every->lists([
        'numbers' => [1, 2], 'table' => [['item' => [1.5, 2]], ['item' => []]],
        'points' => [['x' => 1, 'y' => 2]], 'notes' => ['a', null, ''],
    ])->result;
    check([$lists->numbers, $lists->points[0]->y, $lists->notes] === [[1, 2], 2.0, ['a', null, '']], $lists);
    check([$lists->table[0]->item, $lists->table[1]->item ?? []] === [[1.5, 2.0], []], $lists);

    $counted = $every->maps([
        'numbers' => ['entry' => [['key' => 'a b', 'value' => 5], ['key' => 'c', 'value' => 6]]], 'points' => [],
    ])->result;
    check([$counted->sum, $counted->points, $counted->numbers->entry[0]->key] === [11, 0, 'a b'], $counted);

    $place = ['room' => 'r', 'shelf' => 1];
    $folder = ['name' => 'outer', 'place' => $place, 'folders' => [['name' => 'inner', 'place' => $place]]];
    check($every->folder(['folder' => $folder])->result->folders[0]->name === 'inner');
    check((array) $every->pair(['pair' => ['arg1' => 7, 'arg2' => 'seven']])->result === ['arg1' => 'seven', 'arg2' => 7]);
    $free = $every->free(['value' => ['array' => ['item' => [['int' => 1], ['nil' => []], ['string' => 'a']]]]])->result;
    check([$free->array->item[0]->int, $free->array->item[2]->string] === [1, 'a'], $free);
    check($every->free(['value' => ['base64' => "\0a"]])->result->base64 === "\0a");
    check($every->free(['value' => ['boolean' => false]])->result->boolean === false);
    check($every->divide(['arg1' => INF, 'arg2' => 4])->result === INF);
    check($every->divide(['arg1' => 1, 'arg2' => 4])->result === 0.25);
    check((array) $every->nothing() === []);
    check(count($every->points(['count' => 2])->result) === 2);
    failed(fault(fn () => $every->limited(['amount' => 11])), $version);
}

/** In rpc style a call has its parameters as arguments, and its answer is the result. */
function rpc(string $base, string $query, int $version): void
{
    $wheel = client("$base/wheel/american?wsdl$query", $version);
    check(in_array($wheel->spin()->color, COLOURS, true));
    check(count($wheel->spinList(3)->item) === 3);
    $every = client("$base/every?wsdl$query", $version);
    check($every->divide(1, 4) === 0.25);
    $lists = $every->lists(['item' => [1, 2]], ['item' => []], ['item' => [['x' => 1, 'y' => 2]]], ['item' => ['a']]);
    check([$lists->numbers, $lists->points[0]->y, $lists->notes] === [[1, 2], 2.0, ['a']], $lists);
    $full = $every->optional(1, 2, 3, ['x' => 1, 'y' => 2], 'GREEN');
    check([$full->may, $full->otherwise, $full->point->y, $full->colour] === [2, 3, 2.0, 'GREEN'], $full);
    // What is null is sent as an empty element without a word about that.
    $some = $every->optional(1, null, null, null, null);
    check([$some->may ?? null, $some->otherwise, $some->point ?? null, $some->colour] === [null, 7, null, 'RED'], $some);
    check($every->moment('2026-02-28T12:00:59', "\0a")->data === "\0a");
    check($every->nothing() === null);
    failed(fault(fn () => $every->limited(11)), $version);
}

/** Without a WSDL the client sends typed parameters without namespaces, in SOAP's own encoding. */
function undescribed(string $base, int $version): void
{
    $options = ['soap_version' => $version];
    $wheel = new SoapClient(null, $options + ['location' => "$base/wheel/american", 'uri' => 'urn:croupier:wheel']);
    check(in_array($wheel->spin()->color, COLOURS, true));
    check(count($wheel->__soapCall('spinList', [new SoapParam(3, 'spins')])['result']) === 3);
    check(count($wheel->spinList(3)['result']) === 3);
    $every = new SoapClient(null, $options + ['location' => "$base/every", 'uri' => 'urn:croupier:every']);
    $named = fn (array $values) => array_map(fn ($name, $value) => new SoapParam($value, $name), array_keys($values), $values);
    check((float) $every->__soapCall('divide', $named(['arg1' => 1.0, 'arg2' => 4.0])) === 0.25);
    $texts = $every->__soapCall('texts', $named(['text' => '<&>', 'flag' => true, 'colour' => 'RED', 'letter' => 'é']));
    check([$texts->text, $texts->letter] === ['<&>', 'é'], $texts);
    $refused = fault(fn () => $wheel->__soapCall('spinList', [new SoapParam('three', 'spins')]));
    check(code($refused) === ($version === SOAP_1_2 ? 'Sender' : 'Client'), $refused->faultcode);
    failed(fault(fn () => $every->__soapCall('limited', [new SoapParam(11, 'amount')])), $version);
}

function failed(SoapFault $fault, int $version): void
{
    check(code($fault) === ($version === SOAP_1_2 ? 'Receiver' : 'Server'), $fault->faultcode);
    check($fault->getMessage() === '11 is more than 10', $fault->getMessage());
    check((int) $fault->detail->fault->code === 4711, $fault->detail);
}

documented($base, '', SOAP_1_1);
documented($base, '&soap=1.2', SOAP_1_2);
documented($base, '&soap=both', SOAP_1_1);
rpc($base, '&style=rpc', SOAP_1_1);
rpc($base, '&style=rpc&soap=1.2', SOAP_1_2);
undescribed($base, SOAP_1_1);
undescribed($base, SOAP_1_2);
